"""Accounting: the outcome of each record is counted and logged, and written as metrics for Prometheus."""

import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from prometheus_client import CollectorRegistry, write_to_textfile
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from bringup import log, outages, text
from bringup.lease_jobs import RecordReader
from dhcp_tailer.framing import SHOWN

_log = log.get(__name__)
# Seconds between two lines of sums: a busy server gives thousands of records in them, and an idle one no line.
_SUMS_EVERY_S = 10.0
# Damaged records that are logged in so many seconds: a client can make them, and must not fill the disk with our log.
_WINDOW_S = 10.0
_MALFORMED_PER_WINDOW = 10
# Seconds between two writes of the metrics: Prometheus reads them once a minute by default, and seldom more often.
_METRICS_EVERY_S = 5.0
# Records since the start without one lease, after which the format is doubted: a log that other programs share may have
# hundreds between two leases.
_BARREN = 1000


class Outcome(StrEnum):
    """What a record led to. Every record has exactly one outcome: a closed list, so that it can be counted."""

    QUEUED = "queued"
    DUPLICATE = "duplicate"  # on the queue already, or a repetition of an earlier record
    RENEWAL = "renewal"
    RELEASED = "released"
    EXPIRED = "expired"
    NO_MAC = "no_mac"  # a lease whose client has no Ethernet address that identifies it
    FILTERED_NETWORK = "filtered_network"  # outside DHCP_NETWORKS
    FILTERED_VENDOR = "filtered_vendor"  # its vendor class does not match DHCP_VENDOR_PATTERN
    FILTERED_INVENTORY = "filtered_inventory"  # DHCP_INVENTORY_ONLY, and no device has this MAC
    STALE = "stale"  # in the file before the first start, and ended or older than LEASE_MAX_AGE_H
    NOT_A_LEASE = "not_a_lease"
    MALFORMED = "malformed"


_NO_LEASE = frozenset({Outcome.NOT_A_LEASE, Outcome.MALFORMED})


class Accounting:
    """Counts outcomes; logs the sums when they change, at most every ten seconds.

    Args:
        clock: seconds that only go forward.
        now: seconds since the epoch.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, now: Callable[[], float] = time.time) -> None:
        self.counts: Counter[Outcome] = Counter()
        self.last_record_s: float | None = None  # since the epoch
        self.reader = RecordReader(secrets.token_hex(8), secrets.token_hex(4))  # its name is kept with the counts
        self._begun = 0  # records, also those before the start
        self._clock = clock
        self._now = now
        self._logged: Counter[Outcome] = Counter()
        self._next_sums_s = 0.0
        self._window_ends_s = 0.0
        self._shown = 0
        self.leases = 0  # since the start
        self.others = 0  # records since the start that are no lease
        self._doubted = False

    def count(self, outcome: Outcome) -> None:
        """One more record with ``outcome``."""
        self.counts[outcome] += 1
        if outcome in _NO_LEASE:
            self.others += 1
        else:
            self.leases += 1
        self.last_record_s = self._now()

    def begin(self) -> int:
        """The number of the next record."""
        self._begun += 1
        return self._begun

    def restore(self, counts: Mapping[str, int], last_record_at: datetime | None, reader: str = "") -> None:
        """Go on with the counts of a checkpoint.

        Args:
            counts: by outcome.
            last_record_at: when the last record was counted.
            reader: name of the one that counted them and was killed; empty: it has stopped.

        Raises:
            ValueError: one of them is of no outcome.
        """
        self.counts = Counter({Outcome(name): number for name, number in counts.items()})
        self.last_record_s = last_record_at.timestamp() if last_record_at else None
        self._logged = self.counts.copy()
        self._begun = self.counts.total()
        self.reader = self.reader._replace(name=reader or self.reader.name, counted=self._begun)

    def is_doubtful(self) -> bool:
        """Whether many records have given no lease since the start; true once."""
        if self._doubted or self.leases or self.others < _BARREN:
            return False
        self._doubted = True
        return True

    @property
    def last_record_at(self) -> datetime | None:
        """When the last record was counted."""
        return None if self.last_record_s is None else datetime.fromtimestamp(self.last_record_s, UTC)

    def malformed(self, data: bytes, reason: str) -> None:
        """One more damaged record, shown unless many were shown just now."""
        self.count(Outcome.MALFORMED)
        now = self._clock()
        if now >= self._window_ends_s:
            self._window_ends_s, self._shown = now + _WINDOW_S, 0
        self._shown += 1
        if self._shown <= _MALFORMED_PER_WINDOW:
            _log.warning("a record cannot be read", why=reason, record=excerpt(data))
        elif self._shown == _MALFORMED_PER_WINDOW + 1:
            _log.warning("more records cannot be read; they are counted, and shown again later")

    def log_sums(self, *, now: bool = False) -> None:
        """Log the sums if they have changed. ``now``: do not wait for the ten seconds to pass."""
        if self.counts == self._logged or (self._clock() < self._next_sums_s and not now):
            return
        self._logged = self.counts.copy()
        self._next_sums_s = self._clock() + _SUMS_EVERY_S
        _log.info("records read", **{outcome.value: self.counts[outcome] for outcome in Outcome})


class TextfileMetrics(Collector):
    """Writes the file in one step, at most every five seconds; the counts go on after a restart.

    Args:
        file: to be written.
        source: DHCP_SOURCE, a label of every metric.
        accounting: its counts are written.
        clock: seconds that only go forward.
    """

    def __init__(
        self, file: Path, source: str, accounting: Accounting, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._file = file
        self._source = source
        self._accounting = accounting
        self._clock = clock
        self._next_s = 0.0
        self._lag_bytes = 0
        self._readable = True
        lost, back = "the metrics cannot be written", "the metrics can be written again"
        self._alarm = outages.Alarm(__name__, lost, back, file=str(file))
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    def write(self, *, lag_bytes: int, readable: bool, now: bool = False) -> None:
        """Write the file if it is time. A full disk is logged once and stops nothing.

        Args:
            lag_bytes: written by the DHCP server and not done yet.
            readable: whether the file of the DHCP server can be read.
            now: do not wait for the interval to pass.
        """
        if self._clock() < self._next_s and not now:
            return
        self._next_s = self._clock() + _METRICS_EVERY_S
        self._lag_bytes, self._readable = lag_bytes, readable
        try:
            write_to_textfile(str(self._file), self._registry)
        except OSError as error:
            self._alarm.report(str(error.strerror))
        else:
            self._alarm.clear()

    def collect(self) -> Iterator[Metric]:
        """The metrics as they are now."""
        records = CounterMetricFamily("bringup_tail_records", "Records by outcome.", labels=["source", "outcome"])
        for outcome in Outcome:
            records.add_metric([self._source, outcome.value], self._accounting.counts[outcome])
        yield records
        last_record_s = self._accounting.last_record_s
        yield self._gauge("last_record_timestamp_seconds", "When the last record was counted.", last_record_s)
        yield self._gauge("lag_bytes", "Written by the DHCP server and not done yet.", self._lag_bytes)
        yield self._gauge("readable", "Whether the file of the DHCP server can be read.", self._readable)

    def _gauge(self, name: str, what: str, value: float | None) -> GaugeMetricFamily:
        gauge = GaugeMetricFamily(f"bringup_tail_{name}", what, labels=["source"])
        gauge.add_metric([self._source], float(value or 0))
        return gauge


def excerpt(data: bytes) -> str:
    """The beginning of what a device wrote, safe for logs and terminals."""
    return text.printable(data[:SHOWN].decode("utf-8", "backslashreplace"))


def summary(counts: Counter[Outcome]) -> str:
    """The number of records of each outcome, in one line."""
    return ", ".join(f"{number} {outcome.value}" for outcome, number in counts.items() if number) or "no records"
