"""A call that may hang holds nobody up."""

from threading import Event

import pytest

from selftest.protocol_probe import within


def test_a_call_that_returns_gives_its_result() -> None:
    assert within(60, lambda: "found") == "found"


def test_a_call_that_hangs_is_left_behind() -> None:
    never = Event()
    with pytest.raises(TimeoutError):
        within(0.01, never.wait)
    never.set()
