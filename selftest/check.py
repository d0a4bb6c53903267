"""A check is data and one function; the runner knows nothing of output, and output nothing of checks."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from pki.check import Status
from selftest.target_installation import Server, TargetInstallation

__all__ = [
    "Ask",
    "Check",
    "Finding",
    "Outcome",
    "ServerOf",
    "Status",
    "as_promised",
    "fail",
    "info",
    "ok",
    "skip",
    "warn",
]


@dataclass(frozen=True)
class Finding:
    """What one check observed, what it expected, what is the likely cause, and the command that fixes it."""

    status: Status
    observed: str
    expected: str = ""
    cause: str = ""
    hint: str = ""


Ask = Callable[[TargetInstallation], Finding]
ServerOf = Callable[[TargetInstallation], Server]


@dataclass(frozen=True)
class Check:
    """One question.

    Args:
        id: as people call it: ``1a``, ``7.redis.no-certificate``.
        group: the numbered test that it belongs to.
        run: asks it.
        required_by: the setting that requires it, empty if none does; a required check that did not run is a failure.
        static: it looks at files and settings only, and makes sense before anything runs.
        needs: servers without which it cannot run.
    """

    id: str
    group: str
    title: str
    run: Ask
    required_by: Callable[[TargetInstallation], str] = lambda _target: ""
    static: bool = False
    needs: tuple[ServerOf, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """A check and what came of it. ``seconds`` is how long it took."""

    check: Check
    finding: Finding
    seconds: float


def ok(observed: str) -> Finding:
    """As it must be."""
    return Finding(Status.OK, observed)


def info(observed: str) -> Finding:
    """Right, and worth knowing."""
    return Finding(Status.INFO, observed)


def warn(observed: str, *, cause: str = "", hint: str = "") -> Finding:
    """Not what production needs, or an operator should look at it."""
    return Finding(Status.WARN, observed, cause=cause, hint=hint)


def fail(observed: str, *, expected: str = "", cause: str = "", hint: str = "") -> Finding:
    """Not as it must be."""
    return Finding(Status.FAIL, observed, expected, cause, hint)


def skip(why: str, *, hint: str = "") -> Finding:
    """It did not run."""
    return Finding(Status.SKIP, why, hint=hint)


def as_promised(finding: Finding, required_by: str) -> Finding:
    """The finding; a required check that did not run is a failure, because its promise was not proven."""
    if finding.status is Status.SKIP and required_by:
        expected = finding.expected or f"this check must run, because {required_by}"
        return replace(finding, status=Status.FAIL, expected=expected)
    return finding
