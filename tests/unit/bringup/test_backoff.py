"""Waits grow to a bound, are spread, and never exceed what a server may ask for."""

import pytest

from bringup.backoff import backoff_s, between, retry_after_s, spread


@pytest.mark.parametrize(("failures", "middle_s"), [(0, 1), (1, 2), (4, 16), (5, 30), (2000, 30)])
def test_a_wait_doubles_up_to_its_bound_and_is_spread_by_a_quarter(failures: int, middle_s: float) -> None:
    waits = [backoff_s(failures, 1, 30) for _ in range(200)]
    assert all(middle_s * 0.75 <= wait <= middle_s * 1.25 for wait in waits)
    assert max(waits) - min(waits) > middle_s * 0.25


def test_a_spread_goes_both_ways() -> None:
    waits = [spread(10, 0.5) for _ in range(200)]
    assert all(5 <= wait <= 15 for wait in waits)
    assert min(waits) < 8
    assert max(waits) > 12


def test_a_wait_between_two_numbers_is_between_them() -> None:
    assert all(3 <= between(3, 7) <= 7 for _ in range(200))


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7.0), ("0", 0.0), ("86400", 60.0), ("-1", None), ("1.5", None), ("²", None), ("", None), (None, None)],
)
def test_a_server_may_ask_for_seconds_up_to_a_bound(header: str | None, seconds: float | None) -> None:
    assert retry_after_s(header, 60.0) == seconds


def test_a_date_is_no_number_of_seconds() -> None:
    assert retry_after_s("Wed, 21 Oct 2026 07:28:00 GMT", 60.0) is None
