"""How the cases run: each against the clock, none able to stop the next."""

import time
from collections.abc import Callable, Iterable, Iterator, Set
from dataclasses import replace

from pki.check import Finding, Status, observe, skip
from selftest.case import Case, CaseResult
from selftest.roots import attributed
from selftest.target_installation import TargetInstallation

# After this no case starts, and every wait shrinks towards it. The only wait that does not shrink is the look-up of a
# host name, bounded by 7 s (`protocol_probe`): together they stay within the 30 s that docs/selftest.md promises.
LONGEST_S = 22.0


def run(
    target: TargetInstallation, cases: Iterable[Case], report: Callable[[CaseResult], None] = lambda _outcome: None
) -> list[CaseResult]:
    """The outcome of each case, in order; none starts after `LONGEST_S`.

    Args:
        target: what is examined; its deadline is set.
        cases: in this order.
        report: called with each outcome as it comes; what follows from another one is seen when all are there.
    """
    target.deadline = time.monotonic() + LONGEST_S
    outcomes: list[CaseResult] = []
    for case in cases:
        outcomes.append(_outcome(target, case, {one.case.id for one in outcomes if one.has_failed}))
        report(outcomes[-1])
    return attributed(outcomes)


def _outcome(target: TargetInstallation, case: Case, failed: Set[str]) -> CaseResult:
    started = time.monotonic()
    root = _first(case.needs, failed)
    if root:
        finding = skip(f"not run, because {root} failed", hint=f"repair {root} first")
    elif started > target.deadline and not case.static:  # to look at files takes no time
        finding = skip("no time was left", hint=f"bringup selftest --only {case.id}")
    else:
        finding = _blocked(target, case) or observe(case, target)[0]
    if finding.status is Status.SKIP and not root:
        root = _first((*case.explained_by, *_shown_by(target, case)), failed)
    return CaseResult(
        case,
        finding if root else _as_required(finding, case.required_by(target)),
        time.monotonic() - started,
        because=root,
    )


def _first(ids: Iterable[str], failed: Set[str]) -> str:
    return next((one for one in ids if one in failed), "")


def _shown_by(target: TargetInstallation, case: Case) -> Iterator[str]:
    """The checks that show why a server of this case cannot be reached."""
    for server_of in case.servers:
        yield from server_of(target).shown_by


def _blocked(target: TargetInstallation, case: Case) -> Finding | None:
    """A skip where a server cannot be asked: 1a, 3a and 3b report why, and the others need not wait for it again."""
    for server_of in case.servers if case.required_by(target) else ():
        server = server_of(target)
        if server.blocker:
            return skip(f"not run: {server.blocker}", hint=server.see)
    return None


def _as_required(finding: Finding, required_by: str) -> Finding:
    """The finding; a required check that was skipped has failed, because what the setting promises was not proven.

    One that was skipped because of a failure is no second failure: the whole has failed by the first.
    """
    if finding.status is Status.SKIP and required_by:
        expected = finding.expected or f"this check must run, because {required_by}"
        return replace(finding, status=Status.FAIL, expected=expected)
    return finding
