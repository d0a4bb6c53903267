"""Verifying a PKI: a check is data and one function; this runs them and knows nothing of output.

A check that could not run is never a pass: it is skipped, with its reason, behind the failure that it waits for.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from pki.errors import PkiError


class Status(StrEnum):
    """How a check ended."""

    OK = "ok"
    INFO = "info"
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"


@dataclass(frozen=True)
class Finding:
    """What one check observed; ``mend`` is the command that mends it."""

    status: Status
    message: str
    mend: str = ""


S = TypeVar("S")
Findings = Iterator[Finding]


@dataclass(frozen=True)
class Check(Generic[S]):
    """One question. ``needs`` names checks that must not have failed before it makes sense to ask."""

    id: str
    title: str
    run: Callable[[S], Findings]
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Result:
    """One observation of one check about one target."""

    target: str
    check: str
    title: str
    status: Status
    message: str
    mend: str = ""


def ok(message: str) -> Finding:
    """As it must be."""
    return Finding(Status.OK, message)


def fail(message: str, mend: str = "") -> Finding:
    """Not as it must be."""
    return Finding(Status.FAIL, message, mend)


def warn(message: str, mend: str = "") -> Finding:
    """Works today, and somebody should look at it."""
    return Finding(Status.WARN, message, mend)


def info(message: str, mend: str = "") -> Finding:
    """Worth knowing, and right."""
    return Finding(Status.INFO, message, mend)


def run(target: str, subject: S, checks: Iterable[Check[S]]) -> list[Result]:
    """Every check about one subject, in order; a check whose needs have failed is skipped."""
    results: list[Result] = []
    failed: set[str] = set()
    for check in checks:
        blocked = next((need for need in check.needs if need in failed), None)
        findings = [_skip(blocked)] if blocked else _observe(check, subject)
        results += [Result(target, check.id, check.title, one.status, one.message, one.mend) for one in findings]
        if any(one.status in {Status.FAIL, Status.SKIP} for one in findings):
            failed.add(check.id)
    return results


def failed(results: Iterable[Result]) -> bool:
    """Whether anything is not as it must be."""
    return any(result.status is Status.FAIL for result in results)


def _observe(check: Check[S], subject: S) -> list[Finding]:
    try:
        return list(check.run(subject)) or [ok("in order")]
    except PkiError as error:
        return [fail(str(error), error.mend)]
    except OSError as error:
        return [fail(f"{error.filename or 'a file'} cannot be read: {error.strerror}")]
    except Exception as error:  # noqa: BLE001 - a hostile encoding raises what it likes; no check ends in a pass by it
        return [fail(f"cannot be checked: {type(error).__name__}: {error}")]


def _skip(need: str) -> Finding:
    return Finding(Status.SKIP, f"not checked: {need} must be in order first")
