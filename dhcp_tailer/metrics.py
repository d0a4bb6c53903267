"""What became of the records, for Prometheus: a file that node_exporter's textfile collector reads."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry, write_to_textfile
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from bringup import log
from dhcp_tailer.accounting import Tally
from dhcp_tailer.outcome import Outcome

_log = log.get(__name__)
INTERVAL_S = 5.0


class Metrics(Collector):
    """Writes the file in one step, at most every `INTERVAL_S`; the counts go on after a restart."""

    def __init__(self, file: Path, source: str, tally: Tally, clock: Callable[[], float] = time.monotonic) -> None:
        self._file = file
        self._source = source
        self._tally = tally
        self._clock = clock
        self._next_s = 0.0
        self._lag_bytes = 0
        self._readable = True
        self._failing = False
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    def write(self, *, lag_bytes: int, readable: bool, now: bool = False) -> None:
        """Write the file if it is time. A disk that is full is said once and stops nothing."""
        if self._clock() < self._next_s and not now:
            return
        self._next_s = self._clock() + INTERVAL_S
        self._lag_bytes, self._readable = lag_bytes, readable
        try:
            write_to_textfile(str(self._file), self._registry)
            self._failing = False
        except OSError as error:
            if not self._failing:
                _log.error("the metrics cannot be written", why=error.strerror, file=str(self._file))
            self._failing = True

    def collect(self) -> Iterator[Metric]:
        """The metrics as they are now."""
        records = CounterMetricFamily("bringup_tail_records", "Records by outcome.", labels=["source", "outcome"])
        for outcome in Outcome:
            records.add_metric([self._source, outcome.value], self._tally.counts[outcome])
        yield records
        yield self._gauge("last_record_timestamp_seconds", "When the last record was taken.", self._tally.last_record_s)
        yield self._gauge("lag_bytes", "Written by the DHCP server and not done yet.", self._lag_bytes)
        yield self._gauge("readable", "Whether the file of the DHCP server can be read.", self._readable)

    def _gauge(self, name: str, what: str, value: float | None) -> GaugeMetricFamily:
        gauge = GaugeMetricFamily(f"bringup_tail_{name}", what, labels=["source"])
        gauge.add_metric([self._source], float(value or 0))
        return gauge
