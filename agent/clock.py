"""The machine's clock: set forward where it must be, and compared with the API's."""

from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import NamedTuple


class HardwareClock(NamedTuple):
    """What the machine's own clock said when the agent began, before anything set the system clock."""

    at_start: float  # seconds since 1970: the kernel has read it from the RTC
    monotonic: float

    def now(self, monotonic: float) -> float:
        """What it says at a later moment."""
        return self.at_start + monotonic - self.monotonic

    def offset(self, date: str, monotonic: float) -> float | None:
        """Seconds that it is ahead of the server whose Date header this is, to a second; None without a date.

        Source: RFC 9110 s.6.6.1.
        """
        try:
            there = parsedate_to_datetime(date).timestamp()
        except (TypeError, ValueError, OverflowError):
            return None
        return round(self.now(monotonic) - there, 1)


def set_forward(epoch: float, now: float, set_clock: Callable[[float], None]) -> bool:
    """Set the system clock to ``epoch`` if it is before that; never back. Says whether it was set."""
    if now >= epoch:
        return False
    set_clock(epoch)
    return True
