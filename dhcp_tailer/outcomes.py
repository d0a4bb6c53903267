"""What became of each record: counted, summed up, and the damaged ones shown."""

import time
from collections import Counter
from collections.abc import Callable
from enum import StrEnum

from bringup import log
from bringup.text import printable
from dhcp_tailer.records import SHOWN

_log = log.get(__name__)
_WINDOW_S = 10.0
_MALFORMED_PER_WINDOW = 10


class Outcome(StrEnum):
    """What became of a record. Every record has one."""

    QUEUED = "queued"
    DUPLICATE = "duplicate"  # on the queue already
    RENEWAL = "renewal"
    RELEASED = "released"
    EXPIRED = "expired"
    NOT_A_LEASE = "not_a_lease"
    MALFORMED = "malformed"


class Tally:
    """Counts outcomes; says the sums when they change, at most every ten seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.counts: Counter[Outcome] = Counter()
        self._clock = clock
        self._summed: Counter[Outcome] = Counter()
        self._next_sum = 0.0
        self._window_ends = 0.0
        self._shown = 0

    def count(self, outcome: Outcome) -> None:
        """One more record with ``outcome``."""
        self.counts[outcome] += 1

    def malformed(self, data: bytes, reason: str) -> None:
        """One more damaged record, shown unless many were shown just now."""
        self.count(Outcome.MALFORMED)
        now = self._clock()
        if now >= self._window_ends:
            self._window_ends, self._shown = now + _WINDOW_S, 0
        self._shown += 1
        if self._shown <= _MALFORMED_PER_WINDOW:
            _log.warning("a record cannot be read", why=reason, record=excerpt(data))
        elif self._shown == _MALFORMED_PER_WINDOW + 1:
            _log.warning("more records cannot be read; they are counted, and shown again later")

    def sum_up(self, *, now: bool = False) -> None:
        """Log the sums if they have changed. ``now``: do not wait for the ten seconds to pass."""
        if self.counts == self._summed or (self._clock() < self._next_sum and not now):
            return
        self._summed = self.counts.copy()
        self._next_sum = self._clock() + _WINDOW_S
        _log.info("records read", **{outcome.value: self.counts[outcome] for outcome in Outcome})


def excerpt(data: bytes) -> str:
    """The beginning of what a device wrote, safe for logs and terminals."""
    return printable(data[:SHOWN].decode("utf-8", "backslashreplace"))
