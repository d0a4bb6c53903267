"""How long to wait before the next try: spread, so that those that failed together do not come back together."""

from functools import cache
from random import SystemRandom

# 2**10 times the shortest wait is above every longest wait that can be set; a larger power only makes large numbers.
_MOST_DOUBLINGS = 10


def between(least_s: float, most_s: float) -> float:
    """A random number of seconds from ``least_s`` to ``most_s``."""
    return _source().uniform(least_s, most_s)


@cache
def _source() -> SystemRandom:
    """Made once: the state that Python seeds for it, and does not use, takes a fiftieth of the API's time."""
    return SystemRandom()


def spread(seconds: float, part: float) -> float:
    """``seconds``, at random up to ``part`` of it less or more: 10 and 0.5 give 5 to 15 seconds."""
    return between(seconds * (1 - part), seconds * (1 + part))


def backoff_s(failures: int, least_s: float, most_s: float) -> float:
    """Seconds to wait after so many failures: doubled for each one, spread by a quarter.

    Args:
        failures: how many tries failed before the one that has just failed.
        least_s: seconds after the first failure.
        most_s: seconds after any number of failures, before they are spread.
    """
    return spread(min(least_s * 2 ** min(failures, _MOST_DOUBLINGS), most_s), 0.25)


def retry_after_s(header: str | None, most_s: float) -> float | None:
    """Seconds that a server asks to wait; None: it does not ask, or not in seconds.

    Source: RFC 9110 s.10.2.3, delay-seconds. A date is ignored: the clock of the other side may be wrong.

    Args:
        header: value of ``Retry-After``.
        most_s: seconds; who asks for more has a wrong clock, or none of us would ever come back.
    """
    text = header or ""
    return min(float(text), most_s) if text.isascii() and text.isdigit() else None
