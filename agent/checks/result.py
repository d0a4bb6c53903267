"""The result of a check: a status, and what was observed."""

from enum import Enum
from typing import NamedTuple


class CheckStatus(Enum):
    """As `bringup.wire.report.CheckStatus` has it, in the words of `pki verify` and the self-test."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"


class CheckResult(NamedTuple):
    """A status, and what was observed."""

    status: CheckStatus
    detail: str


def ok(detail: str) -> CheckResult:
    """As it must be."""
    return CheckResult(CheckStatus.OK, detail)


def warn(detail: str) -> CheckResult:
    """It works, and a person should look at it."""
    return CheckResult(CheckStatus.WARN, detail)


def fail(detail: str) -> CheckResult:
    """It does not work, or is not there."""
    return CheckResult(CheckStatus.FAIL, detail)


def skip(detail: str) -> CheckResult:
    """It could not be checked, and so is no pass; ``detail`` is the reason."""
    return CheckResult(CheckStatus.SKIP, detail)


# The order in which results outrank each other: a skipped check outranks a pass, for nothing is known of its object.
_WORST_FIRST = (CheckStatus.FAIL, CheckStatus.WARN, CheckStatus.SKIP, CheckStatus.OK)


def worst(results: list[CheckResult]) -> CheckResult:
    """Several results as one: the worst status, the details of the worst first."""
    ranked = sorted(results, key=lambda result: _WORST_FIRST.index(result.status))
    return CheckResult(ranked[0].status, "; ".join(result.detail for result in ranked))
