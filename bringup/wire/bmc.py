"""How long BMCs took to answer, as workers report it."""

from typing import Annotated

from pydantic import Field, NonNegativeFloat, NonNegativeInt

from bringup.wire.message import Message

# Seconds. A BMC answers a read in tenths of a second, and a write of a medium within a minute; the last has no end.
BMC_BOUNDS_S = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_PARTS = len(BMC_BOUNDS_S) + 1


class BmcRequests(Message):
    """Requests that a worker has sent to BMCs since its last report.

    Args:
        id: of this report, made by the worker; the same again is not counted again.
        counts: requests that took up to each of `BMC_BOUNDS_S` and longer than the bound before; last the longest.
        sum_s: seconds of all.
    """

    id: str = Field(pattern=r"^[0-9a-f]{32}$")
    counts: tuple[Annotated[NonNegativeInt, Field(le=10**6)], ...] = Field(min_length=_PARTS, max_length=_PARTS)
    sum_s: NonNegativeFloat = Field(le=10**9, allow_inf_nan=False)


class BmcRequestsReply(Message):
    """``counted``: false where this report was counted before."""

    counted: bool
