"""What became of each record: counted, summed up, and the damaged ones shown."""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from bringup import log
from bringup.text import printable
from dhcp_tailer.outcome import Outcome
from dhcp_tailer.records import SHOWN

_log = log.get(__name__)
_WINDOW_S = 10.0
_MALFORMED_PER_WINDOW = 10


class Tally:
    """Counts outcomes; says the sums when they change, at most every ten seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, now: Callable[[], float] = time.time) -> None:
        self.counts: Counter[Outcome] = Counter()
        self.last_record_s: float | None = None  # since the epoch
        self._clock = clock
        self._now = now
        self._summed: Counter[Outcome] = Counter()
        self._next_sum = 0.0
        self._window_ends = 0.0
        self._shown = 0

    def count(self, outcome: Outcome) -> None:
        """One more record with ``outcome``."""
        self.counts[outcome] += 1
        self.last_record_s = self._now()

    def go_on(self, counts: Mapping[str, int], last_record_at: datetime | None) -> None:
        """Take up the counts of a checkpoint. Raises ValueError."""
        self.counts = Counter({Outcome(name): number for name, number in counts.items()})
        self.last_record_s = last_record_at.timestamp() if last_record_at else None
        self._summed = self.counts.copy()

    @property
    def last_record_at(self) -> datetime | None:
        """When the last record was taken."""
        return None if self.last_record_s is None else datetime.fromtimestamp(self.last_record_s, UTC)

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
