"""What --watch marks: a check that changed its status, or that is wrong in another way than before."""

import pytest

from pki.check import Finding, fail, info, ok, skip, warn
from selftest.case import Case, CaseResult
from selftest.report.repairs import as_change, as_screen, changes
from tests.unit.selftest.report.conftest import MakeResults


def _outcome(finding: Finding, id_: str = "1a") -> CaseResult:
    return CaseResult(Case(id_, "Redis asks for a password", lambda _: finding, group="1"), finding, 0.1)


@pytest.mark.parametrize(
    ("before", "now", "was"),
    [
        (ok("fine"), fail("bad"), "ok"),
        (fail("bad"), ok("fine"), "fail"),
        (warn("soon"), fail("over"), "warn"),
        (fail("bad"), fail("bad in another way"), "fail"),
        (info("idle"), skip("not run"), "info"),
    ],
)
def test_a_change_is_noticed_with_what_was_before(before: Finding, now: Finding, was: str) -> None:
    assert changes([_outcome(before)], [_outcome(now)]) == {"1a": was}


@pytest.mark.parametrize(
    ("before", "now"),
    [(ok("0.1 s"), ok("0.2 s")), (fail("bad"), fail("bad")), (info("6 days"), info("5 days"))],
)
def test_what_is_as_before_is_no_change(before: Finding, now: Finding) -> None:
    assert changes([_outcome(before)], [_outcome(now)]) == {}


def test_a_check_that_was_not_there_is_new() -> None:
    assert changes([], [_outcome(ok("fine"))]) == {"1a": "new"}


def test_a_change_is_marked_on_its_line() -> None:
    text = as_change(_outcome(fail("bad")), "ok", 80).plain
    assert text == "* FAIL  1a  Redis asks for a password: bad (was ok)"


def test_a_good_round_fits_on_a_screen_of_24_lines(make_results: MakeResults) -> None:
    results = make_results()
    lines = as_screen(results, {}, 80).plain.splitlines()
    assert len(lines) < 24
    assert all(len(line) <= 80 for line in lines)
    shown = " ".join(lines)
    assert [one.case.id for one in results.outcomes if one.case.id not in shown] == []


def test_a_screen_shows_what_changed_and_what_to_repair(make_results: MakeResults) -> None:
    results = make_results([("1a", fail("bad", "bringup redis-conf --force"))])
    text = as_screen(results, {"1a": "ok"}, 80).plain
    assert "* FAIL  1a  Redis asks for a password: bad (was ok)" in text
    assert "fix:      bringup redis-conf --force" in text
