"""The fault matrix has a case for each check: one that is made to pass always would turn it red."""

from dataclasses import replace

import pytest

from pki.check import fail, ok
from selftest.case import CaseResult
from selftest.checks import CATALOG
from tests.integration.selftest.faults import Fault
from tests.integration.selftest.matrix import ALL, quick
from tests.integration.selftest.site import Found
from tests.integration.selftest.test_fault_matrix import assert_reported

FEWEST = 90


def test_it_has_at_least_ninety_cases_each_with_a_name_of_its_own() -> None:
    assert len(ALL) >= FEWEST
    names = [(fault.name, fault.turns) for fault in ALL]
    assert len(set(names)) >= FEWEST


@pytest.mark.parametrize("check", [case.id for case in CATALOG])
def test_each_check_is_the_root_of_a_case(check: str) -> None:
    assert [fault.name for fault in ALL if check in fault.turns], f"no fault turns {check}"


def test_what_shows_a_fault_is_a_check() -> None:
    ids = {case.id for case in CATALOG}
    assert {fault.shown_by for fault in ALL} | {one for fault in ALL for one in fault.turns} <= ids


def _found(fault: Fault, lying: str = "") -> Found:
    """What the self-test finds of a fault, with one check that always says ok."""
    results = [
        CaseResult(
            case,
            replace(fail(" ".join(fault.words), "bringup config"), expected="as it was")
            if case.id in {*fault.turns, fault.shown_by} - {lying}
            else ok("in order"),
            0.1,
            because="" if case.id in fault.turns else next(iter(fault.turns)) if case.id == fault.shown_by else "",
        )
        for case in CATALOG
    ]
    return Found(results, 1.0)


@pytest.mark.parametrize("check", [case.id for case in CATALOG])
def test_a_check_that_always_passes_turns_the_matrix_red(check: str) -> None:
    fault = next(fault for fault in ALL if check in fault.turns)
    assert_reported(_found(fault), fault)
    with pytest.raises(AssertionError):
        assert_reported(_found(fault, lying=check), fault)


def test_a_quick_run_asks_what_a_fault_turns() -> None:
    for fault in ALL:
        assert fault.turns <= {case.id for case in quick(fault)}
    assert len(quick(ALL[0])) < len(CATALOG)
