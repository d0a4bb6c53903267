"""The cases of the self-test and their outcomes.

A case is a check, the setting that requires it, and the servers that it needs; `selftest.runner` runs them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from operator import attrgetter

from pki.check import Check, Finding, Status
from selftest.target_installation import TargetInstallation, TlsServer

Ask = Callable[[TargetInstallation], Finding]
ServerOf = Callable[[TargetInstallation], TlsServer]
REDIS: ServerOf = attrgetter("redis")
API: ServerOf = attrgetter("api")
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
        after_start: it asks whether services run, so that a host which joins a site cannot pass it yet.
        explained_by: checks whose failure shows why this one could not run, besides those of the servers.
        roles: of the hosts that can answer it; none: every host.
    """

    group: str
    required_by: Callable[[TargetInstallation], str] = lambda _target: ""
    servers: tuple[ServerOf, ...] = ()
    static: bool = False
    after_start: bool = False
    explained_by: tuple[str, ...] = ()
    roles: frozenset[str] = frozenset()

    def concerns(self, roles: frozenset[str]) -> bool:
        """Whether a host that is ``roles`` can answer it; none: everything runs there."""
        return not roles or not self.roles or bool(self.roles & roles)


@dataclass(frozen=True)
class CaseResult:
    """A case and its finding.

    Args:
        seconds: how long it took.
        because: the check that failed and shows the cause of this one: it need not be repaired by itself.
    """

    case: Case
    finding: Finding
    seconds: float
    because: str = ""

    @property
    def has_failed(self) -> bool:
        """Whether it has failed, be it as a consequence."""
        return self.finding.status is Status.FAIL

    @property
    def is_root(self) -> bool:
        """Whether it has failed and no other check shows why."""
        return self.has_failed and not self.because


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
    failed = any(outcome.has_failed for outcome in outcomes)
    return SelfTestResult.FAILED if failed else SelfTestResult.PASSED


def amiss(target: TargetInstallation, message: str, hint: str, *, expected: str = "", cause: str = "") -> Finding:
    """What is not as production needs it: a failure where a TLS flag is on, or in production; else a warning.

    Args:
        message: what was observed.
        hint: the command or step that corrects it.
        expected: what should have been observed.
        cause: the likely cause.
    """
    return Finding(Status.FAIL if target.promises else Status.WARN, message, hint, expected, cause)


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
