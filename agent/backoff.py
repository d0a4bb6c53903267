"""How long to wait before the next try."""

import random

_LONGEST_RETRY_AFTER_S = 600.0


def jitter(least_s: float, most_s: float) -> float:
    """Somewhere between, so that machines which boot together do not call together."""
    return random.uniform(least_s, most_s)  # noqa: S311 - jitter, not a secret


def delay(retry_after: str, least_s: float = 5, most_s: float = 30) -> float:
    """Seconds until the next try: what the server asks for (at most 10 minutes), else a jittered backoff.

    Source: RFC 9110 s.10.2.3, delay-seconds; a date is not believed, for clocks are what may be wrong here.
    """
    if retry_after.isascii() and retry_after.isdigit():
        return min(float(retry_after), _LONGEST_RETRY_AFTER_S) + jitter(0, 2)
    return jitter(least_s, most_s)
