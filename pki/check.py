"""The one framework for checks: a check is data and one function; this runs them and knows nothing of output.

`bringup pki verify` and the self-test are built on it. A check that could not run never passes: it is skipped, and
its message names the failure that it waits for.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from pki.errors import PkiError

_log = logging.getLogger(__name__)


class Status(StrEnum):
    """How a check ended."""

    OK = "ok"
    INFO = "info"
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"


@dataclass(frozen=True)
class Finding:
    """What one check observed.

    Args:
        hint: the command or step that corrects it, if there is one.
        expected: what should have been observed, where the message alone does not show it.
        cause: the likely cause.
    """

    status: Status
    message: str
    hint: str = ""
    expected: str = ""
    cause: str = ""


S = TypeVar("S")
Findings = Iterator[Finding]


@dataclass(frozen=True)
class Check(Generic[S]):
    """One question about a subject.

    Args:
        id: what people and programs call it.
        title: what it checks, for a table.
        run: asks it; returns one finding or several; none at all means that everything is in order.
        needs: checks that must have passed before it makes sense to ask.
    """

    id: str
    title: str
    run: Callable[[S], Finding | Findings]
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Result:
    """One finding of one check about one target."""

    target: str
    check: str
    title: str
    status: Status
    message: str
    hint: str = ""


def ok(message: str) -> Finding:
    """As it must be."""
    return Finding(Status.OK, message)


def info(message: str, hint: str = "") -> Finding:
    """Worth knowing, and right."""
    return Finding(Status.INFO, message, hint)


def warn(message: str, hint: str = "", *, cause: str = "") -> Finding:
    """Works today, and an operator should look at it.

    Args:
        message: what was observed.
        hint: the command or step that corrects it.
        cause: the likely cause.
    """
    return Finding(Status.WARN, message, hint, cause=cause)


def fail(message: str, hint: str = "", *, expected: str = "", cause: str = "") -> Finding:
    """Not as it must be.

    Args:
        message: what was observed.
        hint: the command or step that corrects it.
        expected: what should have been observed.
        cause: the likely cause.
    """
    return Finding(Status.FAIL, message, hint, expected, cause)


def skip(message: str, hint: str = "") -> Finding:
    """It did not run; the message names the reason."""
    return Finding(Status.SKIP, message, hint)


def run(target: str, subject: S, checks: Iterable[Check[S]]) -> list[Result]:
    """Every check about one subject, in order; a check whose needs have failed is skipped.

    Args:
        target: what the subject is called in the results.
        subject: what every check is asked about.
        checks: in this order; a check may need only those before it.
    """
    results: list[Result] = []
    failed: set[str] = set()
    for check in checks:
        blocker = next((need for need in check.needs if need in failed), None)
        findings = [skip(f"not checked: {blocker} must be in order first")] if blocker else observe(check, subject)
        results += [Result(target, check.id, check.title, one.status, one.message, one.hint) for one in findings]
        if any(one.status in {Status.FAIL, Status.SKIP} for one in findings):
            failed.add(check.id)
    return results


def failed(results: Iterable[Result]) -> bool:
    """Whether any check failed."""
    return any(result.status is Status.FAIL for result in results)


def observe(check: Check[S], subject: S) -> list[Finding]:
    """The findings of one check, one at least; an error is a failure, and never ends the run."""
    try:
        found = check.run(subject)
        return [found] if isinstance(found, Finding) else list(found) or [ok("in order")]
    except PkiError as error:
        return [fail(str(error), error.hint)]
    except Exception as error:  # noqa: BLE001 - a hostile encoding raises what it likes; no check ends in a pass by it
        if isinstance(error, OSError) and error.filename:
            return [fail(f"{error.filename} cannot be read: {error.strerror}")]
        _log.debug("check %s failed to run", check.id, exc_info=True)
        return [fail(f"cannot be checked: {type(error).__name__}: {error}", cause="a defect of bringup")]
