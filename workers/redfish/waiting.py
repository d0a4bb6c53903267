"""A BMC that is busy with its host or with itself: how that shows, and how a state is waited for.

It is no failure: rack power-up leaves every host in POST, and an iDRAC works off its job queue in minutes. A job
that meets it comes back later, within the run's own time, and the run's timeline names what it waits for.
"""

import re
import time
from collections.abc import Callable

from requests import Response

from workers.redfish.refusal import Refusal

_CONFLICT, _LOCKED = 409, 423
_LONGEST_RETRY_AFTER_S = 120.0  # a BMC that asks for an hour has a wrong clock; we look again ourselves

_REASONS = {
    # HPE iLO 5, registry iLO: the boot override cannot be changed while the host is in POST.
    "UnableToModifyDuringSystemPOST": "the host to leave POST",
    "InvalidOperationForSystemState": "the host to leave its present state",
    "ServerInPOST": "the host to leave POST",
    # Dell, event and error message reference: a lifecycle job is pending or running.
    "SYS011": "a pending lifecycle job",
    "SYS428": "a pending lifecycle job",
    "SYS518": "the iDRAC to become ready",
    "RAC0679": "a running lifecycle job",
    "LC068": "a pending lifecycle job",
    # Source: DSP0268, Base registry.
    "ResourceInUse": "another user of the same resource",
    "ServiceTemporarilyUnavailable": "the BMC to become ready",
    "OperationTimeout": "the BMC to become ready",
}
_IN_WORDS = {
    re.compile(r"\b(during|in|while)\b.{0,40}\bPOST\b", re.IGNORECASE): "the host to leave POST",
    re.compile(r"\b(job|configuration)\b.{0,60}\b(pending|running|in progress|already)\b", re.IGNORECASE): (
        "a pending lifecycle job"
    ),
    re.compile(r"\b(pending|running)\b.{0,60}\bjob\b", re.IGNORECASE): "a pending lifecycle job",
}


def busy_with(refusal: Refusal) -> str | None:
    """What a refused request has to wait for; None when waiting is not known to help."""
    for message_id in refusal.ids:
        if message_id in _REASONS:
            return _REASONS[message_id]
    for pattern, reason in _IN_WORDS.items():
        if refusal.status_code < 500 and any(pattern.search(message.text) for message in refusal.messages):
            return reason
    return None


def is_busy(refusal: Refusal) -> bool:
    """Whether waiting may help, with or without a reason that we know."""
    return refusal.status_code in {_CONFLICT, _LOCKED} or busy_with(refusal) is not None


def retry_after_s(response: Response | None) -> float | None:
    """Seconds after which the BMC wants to be asked again. Source: RFC 9110 s.10.2.3 (seconds; dates are ignored)."""
    text = response.headers.get("Retry-After", "") if response is not None else ""
    return min(float(text), _LONGEST_RETRY_AFTER_S) if text.isascii() and text.isdigit() else None


def comes_true(
    is_true: Callable[[], bool],
    timeout_s: float,
    every_s: float,
    sleep: Callable[[float], None],
    clock: Callable[[], float] = time.monotonic,
) -> bool:
    """Whether something becomes true in time; it is looked at once at least, and once more at the end.

    Args:
        every_s: seconds between two looks.
    """
    deadline, looks = clock() + timeout_s, 0
    while not is_true():
        looks += 1
        if clock() >= deadline or looks * every_s > timeout_s:
            return False
        sleep(every_s)
    return True
