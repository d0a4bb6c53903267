"""Running checks: each against the clock, none able to stop the next."""

import time
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum

from bringup import log
from selftest.check import Check, Finding, Outcome, Status, as_promised, skip
from selftest.target_installation import Subject

LONGEST_S = 22.0  # every wait shrinks towards it, so that what began before it ends well before 30 s

Tell = Callable[[Outcome], None]


def run(subject: Subject, checks: Iterable[Check], tell: Tell = lambda _outcome: None) -> list[Outcome]:
    """Run ``checks`` in order; none starts after `LONGEST_S`.

    Args:
        tell: called with each outcome as it comes.
    """
    subject.deadline = time.monotonic() + LONGEST_S
    outcomes = []
    for check in checks:
        outcomes.append(_run_one(subject, check))
        tell(outcomes[-1])
    return outcomes


def _run_one(subject: Subject, check: Check) -> Outcome:
    started = time.monotonic()
    if started > subject.deadline:
        finding = skip("no time was left", mend=f"--only {check.id} runs it alone")
    else:
        finding = _hindered(subject, check) or _ask(subject, check)
    promised = as_promised(finding, required=check.required(subject))
    return Outcome(check, promised, time.monotonic() - started)


def _hindered(subject: Subject, check: Check) -> Finding | None:
    """One check says why nobody answers; the others need not wait for it again."""
    for hindrance in (of(subject) for of in check.needs if check.required(subject)):
        if hindrance:
            return skip(f"not run: {hindrance}", mend="see 1a, 3a and 3b")
    return None


def _ask(subject: Subject, check: Check) -> Finding:
    try:
        return check.run(subject)
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


def verdict(subject: Subject, outcomes: Sequence[Outcome]) -> Verdict:
    """It could not run if neither Redis nor the API says a word to checks of what runs: then nothing was tested."""
    live = any(not outcome.check.static for outcome in outcomes)
    if live and subject.redis_heard.silent and subject.api_heard.silent:
        return Verdict.COULD_NOT_RUN
    failed = any(outcome.finding.status is Status.FAIL for outcome in outcomes)
    return Verdict.FAILED if failed else Verdict.PASSED
