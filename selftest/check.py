"""A check is data and one function; the runner knows nothing of output, and output nothing of checks."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from pki.check import Status
from selftest.target_installation import Subject

__all__ = ["Check", "Finding", "Outcome", "Status", "as_promised", "fail", "info", "ok", "skip", "warn"]


@dataclass(frozen=True)
class Finding:
    """What one check observed, what it expected, what is the likely cause, and the command that mends it."""

    status: Status
    observed: str
    expected: str = ""
    cause: str = ""
    mend: str = ""


@dataclass(frozen=True)
class Check:
    """One question.

    Args:
        id: as people call it: ``1a``, ``7.redis.no-certificate``.
        group: the numbered test that it belongs to.
        run: asks it.
        required: whether the present flags promise it; then not having run is a failure.
        static: it looks at files and settings only, and makes sense before anything runs.
        needs: why it cannot be asked, empty if it can.
    """

    id: str
    group: str
    title: str
    run: Callable[[Subject], Finding]
    required: Callable[[Subject], bool] = lambda _subject: False
    static: bool = False
    needs: tuple[Callable[[Subject], str], ...] = ()


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


def warn(observed: str, *, cause: str = "", mend: str = "") -> Finding:
    """Not what production needs, or somebody should look at it."""
    return Finding(Status.WARN, observed, cause=cause, mend=mend)


def fail(observed: str, *, expected: str = "", cause: str = "", mend: str = "") -> Finding:
    """Not as it must be."""
    return Finding(Status.FAIL, observed, expected, cause, mend)


def skip(why: str, *, mend: str = "") -> Finding:
    """It did not run."""
    return Finding(Status.SKIP, why, mend=mend)


def as_promised(finding: Finding, *, required: bool) -> Finding:
    """A required check that did not run is a failure: a promise that nobody looked at is not kept."""
    if finding.status is Status.SKIP and required:
        return replace(finding, status=Status.FAIL, expected=finding.expected or "what was promised must be looked at")
    return finding
