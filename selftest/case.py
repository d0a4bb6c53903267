"""A case of the self-test: a check, the setting that requires it, and the servers that it needs."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from operator import attrgetter

from pki.check import Check, Finding, Status
from selftest.target_installation import Server, TargetInstallation

Ask = Callable[[TargetInstallation], Finding]
ServerOf = Callable[[TargetInstallation], Server]
REDIS: ServerOf = attrgetter("redis")
API: ServerOf = attrgetter("api")
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
    """

    group: str
    required_by: Callable[[TargetInstallation], str] = lambda _target: ""
    servers: tuple[ServerOf, ...] = ()
    static: bool = False


@dataclass(frozen=True)
class Outcome:
    """A case and its finding. ``seconds`` is how long it took."""

    case: Case
    finding: Finding
    seconds: float


def as_required(finding: Finding, required_by: str) -> Finding:
    """The finding; a required check that was skipped has failed, because what the setting promises was not proven."""
    if finding.status is Status.SKIP and required_by:
        expected = finding.expected or f"this check must run, because {required_by}"
        return replace(finding, status=Status.FAIL, expected=expected)
    return finding


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
