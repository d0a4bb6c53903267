"""Time limits that do not end for all at the same moment."""

from random import SystemRandom

_random = SystemRandom()


def up_to(seconds: float) -> float:
    """Between half of ``seconds`` and all: those that came together are not cut off, and back, together."""
    return _random.uniform(seconds / 2, seconds)
