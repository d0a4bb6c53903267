"""A permit: what the API must have said, a moment ago, before anything is written to a BMC."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from bringup.errors import PermitExpired

Clock = Callable[[], float]


def boot_clock() -> float:
    """Seconds since the host was started, with the time in which it was suspended: a permit does not sleep."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


@dataclass(frozen=True)
class Permit:
    """Allows one kind of write to one BMC, until ``ends_at`` (seconds, by ``clock``)."""

    what: str
    ends_at: float
    clock: Clock = field(default=boot_clock, repr=False, compare=False)

    def remaining_s(self) -> float:
        """Seconds for which it still holds; never negative."""
        return max(0.0, self.ends_at - self.clock())

    def require(self) -> None:
        """Raises PermitExpired when it has run out."""
        if self.remaining_s() <= 0:
            raise PermitExpired(f"the permit ({self.what}) ran out before the request was sent; nothing was sent")
