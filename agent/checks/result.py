"""The result of a check: a status, and what was observed."""

from enum import Enum
from typing import NamedTuple


class Status(Enum):
    """As `bringup.wire.report.CheckStatus` has it, in the words of `pki verify` and the self-test."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"


class Result(NamedTuple):
    """A status, and what was observed."""

    status: Status
    detail: str


def ok(detail: str) -> Result:
    """As it must be."""
    return Result(Status.OK, detail)


def warn(detail: str) -> Result:
    """It works, and a person should look at it."""
    return Result(Status.WARN, detail)


def fail(detail: str) -> Result:
    """It does not work, or is not there."""
    return Result(Status.FAIL, detail)


def skip(detail: str) -> Result:
    """It could not be checked, and so is no pass; ``detail`` is the reason."""
    return Result(Status.SKIP, detail)


# The order in which results outrank each other: a skipped check outranks a pass, for nothing is known of its object.
_WORST_FIRST = (Status.FAIL, Status.WARN, Status.SKIP, Status.OK)


def worst(results: list[Result]) -> Result:
    """Several results as one: the worst status, the details of the worst first."""
    ranked = sorted(results, key=lambda result: _WORST_FIRST.index(result.status))
    return Result(ranked[0].status, "; ".join(result.detail for result in ranked))
