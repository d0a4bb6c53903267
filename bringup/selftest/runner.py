"""Running checks: each against the clock, none able to stop the next."""

import time
from collections.abc import Callable, Iterable

from bringup import log
from bringup.selftest.check import Check, Finding, Outcome, Status, as_promised, skip
from bringup.selftest.subject import Subject

LONGEST_S = 28.0

Tell = Callable[[Outcome], None]


def run(subject: Subject, checks: Iterable[Check], tell: Tell = lambda _outcome: None) -> list[Outcome]:
    """Run ``checks`` in order; none starts after `LONGEST_S`.

    Args:
        tell: called with each outcome as it comes.
    """
    deadline = time.monotonic() + LONGEST_S
    outcomes = []
    for check in checks:
        outcomes.append(_run_one(subject, check, deadline))
        tell(outcomes[-1])
    return outcomes


def _run_one(subject: Subject, check: Check, deadline: float) -> Outcome:
    started = time.monotonic()
    finding = (
        skip("no time was left", mend="--only NUMBER runs one test") if started > deadline else _ask(subject, check)
    )
    promised = as_promised(finding, required=check.required(subject))
    return Outcome(check, promised, time.monotonic() - started)


def _ask(subject: Subject, check: Check) -> Finding:
    try:
        return check.run(subject)
    except Exception as error:  # noqa: BLE001 - a bug in one check must not hide what the others find
        log.get("selftest").debug("a check failed to run", check=check.id, exc_info=True)
        return Finding(
            Status.FAIL, f"the check itself failed: {type(error).__name__}: {error}", cause="a bug in bringup"
        )


def failed(outcomes: Iterable[Outcome]) -> bool:
    """Whether anything that was promised is not so."""
    return any(outcome.finding.status is Status.FAIL for outcome in outcomes)
