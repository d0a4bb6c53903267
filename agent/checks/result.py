"""What a check says."""

from enum import Enum
from typing import NamedTuple


class Status(Enum):
    """As `bringup.wire.report.CheckStatus` has it; ``SKIP`` is never a pass."""

    PASS = "pass"  # noqa: S105 - a verdict, not a password
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"


class Result(NamedTuple):
    """The status, and what was seen."""

    status: Status
    detail: str


def passed(detail: str) -> Result:
    """What was looked at is as it should be."""
    return Result(Status.PASS, detail)


def warned(detail: str) -> Result:
    """It works, and somebody should look at it."""
    return Result(Status.WARN, detail)


def failed(detail: str) -> Result:
    """It does not work."""
    return Result(Status.FAIL, detail)


def skipped(detail: str) -> Result:
    """It could not be looked at."""
    return Result(Status.SKIP, detail)


def worst(results: list[Result]) -> Result:
    """Several as one: the worst status, the worst details first."""
    order = [Status.FAIL, Status.WARN, Status.SKIP, Status.PASS]
    ranked = sorted(results, key=lambda result: order.index(result.status))
    return Result(ranked[0].status, "; ".join(result.detail for result in ranked))
