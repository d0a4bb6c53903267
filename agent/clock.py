"""The machine's clock: set forward where it must be, and its offset from the API's."""

from email.utils import parsedate_to_datetime
from typing import NamedTuple

from agent.system import LocalSystem


class HardwareClock(NamedTuple):
    """The hardware clock, as the kernel read it before anything set the system clock.

    Args:
        at_start: its time, seconds since 1970.
        monotonic: seconds since the boot at that moment.
    """

    at_start: float
    monotonic: float

    def now(self, monotonic: float) -> float:
        """Its time at a later moment, seconds since 1970."""
        return self.at_start + monotonic - self.monotonic

    def offset(self, date: str, monotonic: float) -> float | None:
        """Seconds that it is ahead of a server, to a second; None without a date.

        Args:
            date: the Date header of the server's response. Source: RFC 9110 s.6.6.1.
            monotonic: seconds since the boot when that came.
        """
        try:
            server = parsedate_to_datetime(date).timestamp()
        except (TypeError, ValueError, OverflowError):
            return None
        return round(self.now(monotonic) - server, 1)


def set_forward(epoch: float, machine: LocalSystem) -> None:
    """Set the system clock to ``epoch`` (seconds since 1970) if it is before that; never set it back.

    A clock that is too late is left as it is: nothing proves that the image's time is nearer to the truth.
    """
    behind = epoch - machine.system.now()
    if behind <= 0:
        return
    try:
        machine.system.set_clock(epoch)
    except OSError as error:
        machine.log.show(f"the clock is {behind:.0f} s behind and cannot be set ({error.strerror})")
        return
    machine.log.show(f"the clock was {behind:.0f} s before this image was made: set forward")
