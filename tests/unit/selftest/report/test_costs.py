"""The costs of TLS: what was measured, in one table; nothing where nothing was, and no time where none is left."""

import time

from selftest.report import costs
from selftest.report.costs import Cost
from tests.unit.selftest.report.conftest import MakeResults

MEASURED = (
    Cost(what="open a connection", plain_ms=0.5, tls_ms=3.25),
    Cost(what="real: Redis", plain_ms=None, tls_ms=4.0),
)


def test_plain_and_tls_are_in_one_row_with_their_difference() -> None:
    lines = costs.section(MEASURED)
    assert "| open a connection | 0.50 | 3.25 | +2.75 |" in lines
    assert "| real: Redis | - | 4.00 | - |" in lines


def test_on_a_terminal_each_is_a_line() -> None:
    assert costs.as_text(MEASURED) == ["open a connection: plain 0.50 ms, TLS 3.25 ms", "real: Redis: TLS 4.00 ms"]


def test_what_was_not_measured_is_not_claimed() -> None:
    assert "Not measured in this run" in costs.section(())[-1]


def test_a_self_test_that_has_used_up_its_time_measures_nothing(make_results: MakeResults) -> None:
    target = make_results().target
    target.deadline = time.monotonic() - 1
    assert costs.measure(target) == ()
