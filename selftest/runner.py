"""Running checks: each against the clock, none able to stop the next."""

import time
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum

from bringup import log
from selftest.check import Check, Finding, Outcome, Status, as_promised, skip
from selftest.target_installation import TargetInstallation

LONGEST_S = 22.0  # every wait shrinks towards it, so that what began before it ends well before 30 s

Report = Callable[[Outcome], None]


def run(target: TargetInstallation, checks: Iterable[Check], report: Report = lambda _outcome: None) -> list[Outcome]:
    """Run ``checks`` in order; none starts after `LONGEST_S`.

    Args:
        report: called with each outcome as it comes.
    """
    target.deadline = time.monotonic() + LONGEST_S
    outcomes = []
    for check in checks:
        outcomes.append(_run_one(target, check))
        report(outcomes[-1])
    return outcomes


def _run_one(target: TargetInstallation, check: Check) -> Outcome:
    started = time.monotonic()
    if started > target.deadline:
        finding = skip("no time was left", hint=f"--only {check.id} runs it alone")
    else:
        finding = _blocked(target, check) or _ask(target, check)
    promised = as_promised(finding, check.required_by(target))
    return Outcome(check, promised, time.monotonic() - started)


def _blocked(target: TargetInstallation, check: Check) -> Finding | None:
    """A skip where a server cannot be asked: one check reports why, and the others need not wait for it again."""
    for server_of in check.needs if check.required_by(target) else ():
        if blocker := server_of(target).blocker:
            return skip(f"not run: {blocker}", hint="see 1a, 3a and 3b")
    return None


def _ask(target: TargetInstallation, check: Check) -> Finding:
    try:
        return check.run(target)
    except Exception as error:  # noqa: BLE001 - a bug in one check must not hide what the others find
        log.get("selftest").debug("a check failed to run", check=check.id, exc_info=True)
        return Finding(
            Status.FAIL, f"the check itself failed: {type(error).__name__}: {error}", cause="a bug in bringup"
        )


class Verdict(StrEnum):
    """What the whole comes to."""

    PASSED = "PASSED"
    FAILED = "FAILED"
    COULD_NOT_RUN = "COULD NOT RUN"


def verdict(target: TargetInstallation, outcomes: Sequence[Outcome]) -> Verdict:
    """The result of all; COULD_NOT_RUN where checks need a server, and neither Redis nor the API answers."""
    live = any(not outcome.check.static for outcome in outcomes)
    if live and target.redis.detected.is_silent and target.api.detected.is_silent:
        return Verdict.COULD_NOT_RUN
    failed = any(outcome.finding.status is Status.FAIL for outcome in outcomes)
    return Verdict.FAILED if failed else Verdict.PASSED
