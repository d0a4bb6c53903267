"""The tailer: records become events, new leases go on the queue, and only then the checkpoint moves on."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bringup import errors, model, queues
from bringup.connections.redis_client import redis_errors
from bringup.lease_jobs import LeaseRecord, RecordReader
from bringup.settings import Settings
from dhcp_tailer import framing, resume, watch
from dhcp_tailer.accounting import Accounting, Outcome, TextfileMetrics
from dhcp_tailer.filters import Filters, FirstPass
from dhcp_tailer.follower import BATCH
from dhcp_tailer.heartbeat import TailerHeartbeat
from dhcp_tailer.retry import Retry, Stop
from dhcp_tailer.saver import Saver
from dhcp_tailer.sources.parser import Parser, parse_record

if TYPE_CHECKING:
    from redis import Redis

# Leases put on the queue in one transaction: with appendfsync always each transaction costs Redis a write to its disk,
# shared by all of its leases. Redis serves nobody else meanwhile: for so many some 4 ms.
MOST_LEASES = 200
Deliver = Callable[[Sequence[LeaseRecord]], list[bool]]


def delivery(settings: Settings, connection: "Redis", reader: RecordReader) -> Deliver:
    """The function that puts leases on the queue; it raises what `redis_errors` raises.

    Args:
        settings: of the connection.
        connection: where the queue is.
        reader: of the records.
    """
    opened = queues.Queues(connection)

    def deliver(leases: Sequence[LeaseRecord]) -> list[bool]:
        with redis_errors(settings):
            return opened.add_leases(leases, reader)

    return deliver


@dataclass(frozen=True)
class Tailer:
    """One source, followed and put on the queue.

    Args:
        follower: yields the records.
        parser: reads them.
        deliver: puts leases on the queue and returns which of them were new; raises RedisUnavailable while it cannot.
        saver: writes the checkpoint.
        retry: waits for Redis.
        watcher: waits for the file to change.
        stop: ends the loop.
        accounting: counts the outcomes.
        filters: decide which leases lead to a run.
        metrics: for Prometheus.
        heartbeat: reports to Redis.
        first_pass: which leases are stale; over once the end of the file is reached.
        doubt: called once when many records have given no lease.
        alive: called in each round of the loop.
    """

    follower: resume.Follower
    parser: Parser
    deliver: Deliver
    saver: Saver
    retry: Retry
    watcher: watch.Watcher
    stop: Stop
    accounting: Accounting
    filters: Filters = field(default_factory=Filters)
    metrics: TextfileMetrics | None = None
    heartbeat: TailerHeartbeat | None = None
    first_pass: FirstPass = field(default_factory=FirstPass)
    doubt: Callable[[], None] = lambda: None
    alive: Callable[[], None] = lambda: None

    def run(self, *, once: bool = False) -> None:
        """Work until asked to stop; with ``once``, until the end of the file.

        Raises:
            PermanentError: Redis refuses us; or ``once``, and there is no file to read.
            Interrupted: asked to stop while Redis was away. The parser has read the records in hand, so that its
                state fits no position: the last checkpoint remains, and what came after it is read again.
        """
        try:
            while not self.stop.requested:
                if not self._work_on_a_batch() and self._nothing_more(once=once):
                    break
                self.alive()
            self.saver.save(self.follower.position, last=True)
        finally:
            self.accounting.log_sums(now=True)
            self._measure(now=True)

    def _work_on_a_batch(self) -> bool:
        records = self.follower.poll(BATCH)
        # Before the first record is done: if we are killed while Redis is away, and the file is rotated meanwhile, the
        # next tailer must know which file we had begun to read.
        self.saver.save_first(self.follower.position)
        unread = iter(records)
        while not self.stop.requested and self._take(unread):
            self._save_if_due()
        if not records and self.follower.position and not self.follower.unavailable:
            self.first_pass.end()
        self._save_if_due()  # a rotation moves the position without any record
        self.accounting.log_sums()
        if self.accounting.is_doubtful():
            self.doubt()
        self._measure()
        return bool(records)

    def _save_if_due(self) -> None:
        if self.saver.due:
            self.saver.save(self.follower.position)

    def _nothing_more(self, *, once: bool) -> bool:
        if once and self.follower.unavailable:
            raise errors.PermanentError(f"DHCP_PATH cannot be read: {self.follower.unavailable}")
        self.retry.check_recovery()
        if once:
            self._take_rest()
        else:
            self.watcher.wait()
        return once

    def _take_rest(self) -> None:
        """The outcome of a last record whose newline is missing. The position stays before it.

        The server may still write the rest of it: then the next tailer reads it whole, and its lease is a duplicate.
        """
        self.saver.save(self.follower.position, last=True)
        if rest := self.follower.rest():
            self._queue(self._parse(rest[0]))

    def _take(self, records: Iterator[framing.Record]) -> bool:
        """Read on until `MOST_LEASES` leases lead to a run, and queue them; False: there was no record left.

        A lease waits for nothing but what is in the file already: one that comes alone is queued alone.
        """
        leases: list[LeaseRecord] = []
        last = None
        for record in records:
            last = record
            leases += self._parse(record)
            if len(leases) == MOST_LEASES:
                break
        if last is None:
            return False
        self._queue(leases)
        self.follower.done(last)
        return True

    def _parse(self, record: framing.Record) -> list[LeaseRecord]:
        """The lease in ``record`` that leads to a run; of any other record the outcome is counted."""
        number, parsed = self.accounting.begin(), parse_record(self.parser, record)
        if isinstance(parsed, model.LeaseEvent):
            outcome = self.filters.outcome(parsed) or self.first_pass.outcome(parsed)
            if outcome is None:
                return [LeaseRecord(parsed, number)]
            self.accounting.count(outcome)
        elif parsed.malformed:
            self.accounting.malformed(record.data, parsed.reason)
        else:
            self.accounting.count(parsed.outcome)
        return []

    def _queue(self, leases: Sequence[LeaseRecord]) -> None:
        if not leases:
            return
        # Retried here, before the records are done: otherwise the checkpoint would move past leases that Redis lacks.
        for is_new in self.retry.call_with_retry(lambda: self.deliver(leases)):
            self.accounting.count(Outcome.QUEUED if is_new else Outcome.DUPLICATE)

    def _measure(self, *, now: bool = False) -> None:
        if self.metrics:
            self.metrics.write(lag_bytes=self.follower.lag_bytes, readable=not self.follower.unavailable, now=now)
        if self.heartbeat and not self.stop.requested:
            self.heartbeat.beat(lag_bytes=self.follower.lag_bytes, problem=self.follower.unavailable)
