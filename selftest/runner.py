"""Running the cases: each against the clock, none able to stop the next."""

import time
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum

from pki.check import Finding, Status, observe, skip
from selftest.case import Case, Outcome, as_required
from selftest.target_installation import TargetInstallation

# After this no case starts, and every wait shrinks towards it: the slowest case (three probes between controls) that
# began just before it still ends within the 30 s that docs/selftest.md promises.
LONGEST_S = 22.0

Report = Callable[[Outcome], None]


def run(target: TargetInstallation, cases: Iterable[Case], report: Report = lambda _outcome: None) -> list[Outcome]:
    """The outcome of each case, in order; none starts after `LONGEST_S`.

    Args:
        target: what is examined; its deadline is set.
        cases: in this order.
        report: called with each outcome as it comes.
    """
    target.deadline = time.monotonic() + LONGEST_S
    outcomes = []
    for case in cases:
        outcomes.append(_outcome(target, case))
        report(outcomes[-1])
    return outcomes


def _outcome(target: TargetInstallation, case: Case) -> Outcome:
    started = time.monotonic()
    if started > target.deadline:
        finding = skip("no time was left", hint=f"--only {case.id} runs it alone")
    else:
        finding = _blocked(target, case) or observe(case, target)[0]
    return Outcome(case, as_required(finding, case.required_by(target)), time.monotonic() - started)


def _blocked(target: TargetInstallation, case: Case) -> Finding | None:
    """A skip where a server cannot be asked: 1a, 3a and 3b report why, and the others need not wait for it again."""
    for server_of in case.servers if case.required_by(target) else ():
        if blocker := server_of(target).blocker:
            return skip(f"not run: {blocker}", hint="see 1a, 3a and 3b")
    return None


class Verdict(StrEnum):
    """The result of the whole self-test."""

    PASSED = "PASSED"
    FAILED = "FAILED"
    COULD_NOT_RUN = "COULD NOT RUN"


def verdict(target: TargetInstallation, outcomes: Sequence[Outcome]) -> Verdict:
    """The result of all; COULD_NOT_RUN where cases need a server, and neither Redis nor the API answers."""
    live = any(not outcome.case.static for outcome in outcomes)
    if live and target.redis.detected.is_silent and target.api.detected.is_silent:
        return Verdict.COULD_NOT_RUN
    failed = any(outcome.finding.status is Status.FAIL for outcome in outcomes)
    return Verdict.FAILED if failed else Verdict.PASSED
