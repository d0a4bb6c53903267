"""The cases of the self-test, and how they run: each against the clock, none able to stop the next.

A case is a check, the setting that requires it, and the servers that it needs.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from operator import attrgetter

from pki.check import Check, Finding, Status, observe, skip
from selftest.target_installation import TargetInstallation, TlsServer

Ask = Callable[[TargetInstallation], Finding]
ServerOf = Callable[[TargetInstallation], TlsServer]
REDIS: ServerOf = attrgetter("redis")
API: ServerOf = attrgetter("api")
# After this no case starts, and every wait shrinks towards it. The only wait that does not shrink is the look-up of a
# host name, bounded by 7 s (`protocol_probe`): together they stay within the 30 s that docs/selftest.md promises.
LONGEST_S = 22.0
# Hosts whose services log in at Redis; those that do a worker's work there; those whose certificate the API's calls
# take. A host is asked nothing that another role's certificate or password is needed for.
AT_REDIS = frozenset({"api", "images", "worker", "tailer", "console"})
WORKS = frozenset({"worker"})
AT_API = frozenset({"worker", "console"})
API_HOST = frozenset({"api"})
IMAGES = frozenset({"images"})
NEAR_API = AT_API | API_HOST
# What a check of mutual TLS to Redis observes while the flag is off.
NO_MUTUAL_TLS = "no mutual TLS (REDIS_USE_TLS=false): expected in development only"


@dataclass(frozen=True, kw_only=True)
class Case(Check[TargetInstallation]):
    """One check of the self-test; its id is as people call it: ``1a``, ``7.redis.no-certificate``.

    Args:
        group: the numbered test that it belongs to.
        required_by: the setting that requires it, empty if none does; a required check that did not run has failed.
        servers: those without which it cannot run.
        static: it reads files and settings only, and makes sense before anything runs.
        roles: of the hosts that can answer it; none: every host.
    """

    group: str
    required_by: Callable[[TargetInstallation], str] = lambda _target: ""
    servers: tuple[ServerOf, ...] = ()
    static: bool = False
    roles: frozenset[str] = frozenset()

    def concerns(self, roles: frozenset[str]) -> bool:
        """Whether a host that is ``roles`` can answer it; none: everything runs there."""
        return not roles or not self.roles or bool(self.roles & roles)


@dataclass(frozen=True)
class CaseResult:
    """A case and its finding. ``seconds`` is how long it took."""

    case: Case
    finding: Finding
    seconds: float


def run(
    target: TargetInstallation, cases: Iterable[Case], report: Callable[[CaseResult], None] = lambda _outcome: None
) -> list[CaseResult]:
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


def _outcome(target: TargetInstallation, case: Case) -> CaseResult:
    started = time.monotonic()
    if started > target.deadline:
        finding = skip("no time was left", hint=f"--only {case.id} runs it alone")
    else:
        finding = _blocked(target, case) or observe(case, target)[0]
    return CaseResult(case, _as_required(finding, case.required_by(target)), time.monotonic() - started)


def _blocked(target: TargetInstallation, case: Case) -> Finding | None:
    """A skip where a server cannot be asked: 1a, 3a and 3b report why, and the others need not wait for it again."""
    for server_of in case.servers if case.required_by(target) else ():
        if blocker := server_of(target).blocker:
            return skip(f"not run: {blocker}", hint="see 1a, 3a and 3b")
    return None


def _as_required(finding: Finding, required_by: str) -> Finding:
    """The finding; a required check that was skipped has failed, because what the setting promises was not proven."""
    if finding.status is Status.SKIP and required_by:
        expected = finding.expected or f"this check must run, because {required_by}"
        return replace(finding, status=Status.FAIL, expected=expected)
    return finding


class SelfTestResult(StrEnum):
    """The result of the whole self-test."""

    PASSED = "PASSED"
    FAILED = "FAILED"
    COULD_NOT_RUN = "COULD NOT RUN"


def verdict(target: TargetInstallation, outcomes: Sequence[CaseResult]) -> SelfTestResult:
    """The result of all; COULD_NOT_RUN where cases need a server, and neither Redis nor the API answers."""
    live = any(not outcome.case.static for outcome in outcomes)
    if live and target.redis.detected.is_silent and target.api.detected.is_silent:
        return SelfTestResult.COULD_NOT_RUN
    failed = any(outcome.finding.status is Status.FAIL for outcome in outcomes)
    return SelfTestResult.FAILED if failed else SelfTestResult.PASSED


def always(_target: TargetInstallation) -> str:
    """Required whatever the flags are."""
    return "every installation needs it"


def redis_tls(target: TargetInstallation) -> str:
    """Required where mutual TLS to Redis is promised."""
    return target.redis.required_by(tls=True)


def redis_plain(target: TargetInstallation) -> str:
    """Required where Redis is used in plain text."""
    return target.redis.required_by(tls=False)


def api_tls(target: TargetInstallation) -> str:
    """Required where HTTPS is promised."""
    return target.api.required_by(tls=True)


def api_plain(target: TargetInstallation) -> str:
    """Required where HTTP is used."""
    return target.api.required_by(tls=False)


def any_tls(target: TargetInstallation) -> str:
    """Required where either flag is on."""
    return redis_tls(target) or api_tls(target)
