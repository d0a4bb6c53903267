"""The loop: records become events, new leases go on the queue, and only then the checkpoint moves on."""

from collections.abc import Callable
from dataclasses import dataclass, field

from bringup.errors import PermanentError
from bringup.model import LeaseAction, LeaseEvent
from dhcp_tailer.accounting import Tally
from dhcp_tailer.changes import Changes
from dhcp_tailer.filters import Policy
from dhcp_tailer.following import Following
from dhcp_tailer.metrics import Metrics
from dhcp_tailer.outcome import Outcome
from dhcp_tailer.records import Record
from dhcp_tailer.retry import Patience
from dhcp_tailer.saver import Saver
from dhcp_tailer.sources import Skip, Source, malformed
from dhcp_tailer.stop import Stop

BATCH = 500  # records between two looks at the file

ENDED = {
    LeaseAction.RENEWED: Outcome.RENEWAL,
    LeaseAction.RELEASED: Outcome.RELEASED,
    LeaseAction.EXPIRED: Outcome.EXPIRED,
}


@dataclass(frozen=True)
class Tail:
    """One source, followed and put on the queue.

    ``deliver`` puts one lease on the queue and says whether it was new; it raises RedisUnavailable while it cannot.
    """

    follower: Following
    source: Source
    deliver: Callable[[LeaseEvent], bool]
    saver: Saver
    patience: Patience
    changes: Changes
    stop: Stop
    tally: Tally
    policy: Policy = field(default_factory=Policy)
    metrics: Metrics | None = None

    def run(self, *, once: bool = False) -> None:
        """Work until asked to stop; with ``once``, until the end of the file.

        Raises:
            PermanentError: Redis refuses us; or ``once``, and there is no file to read.
            Interrupted: asked to stop while Redis was away. The source has read the record in hand, so that its
                memory fits no position: the last checkpoint stands, and what came after it is read again.
        """
        try:
            while not self.stop.requested:
                if not self._work_on_a_batch() and self._nothing_more(once=once):
                    break
            self.saver.save(self.follower.position)
        finally:
            self.tally.sum_up(now=True)
            self._measure(now=True)

    def _work_on_a_batch(self) -> bool:
        records = self.follower.poll(BATCH)
        for record in records:
            self._take(record)
            self.follower.done(record)
            self._save_if_due()
            if self.stop.requested:
                break
        self._save_if_due()  # a rotation moves the position without any record
        self.tally.sum_up()
        self._measure()
        return bool(records)

    def _save_if_due(self) -> None:
        if self.saver.due:
            self.saver.save(self.follower.position)

    def _nothing_more(self, *, once: bool) -> bool:
        if once and self.follower.unavailable:
            raise PermanentError(f"DHCP_PATH cannot be read: {self.follower.unavailable}")
        self.patience.settle()
        if not once:
            self.changes.wait()
        return once

    def _take(self, record: Record) -> None:
        parsed = malformed(record.damage) if record.damage else self.source.parse(record.data)
        if isinstance(parsed, Skip):
            self._skip(record, parsed)
        elif parsed.action is LeaseAction.ASSIGNED:
            self.tally.count(self.policy.leaves_out(parsed) or self._queue(parsed))
        else:
            self.tally.count(ENDED[parsed.action])

    def _queue(self, lease: LeaseEvent) -> Outcome:
        return Outcome.QUEUED if self.patience.insist(lambda: self.deliver(lease)) else Outcome.DUPLICATE

    def _measure(self, *, now: bool = False) -> None:
        if self.metrics:
            self.metrics.write(lag_bytes=self.follower.lag_bytes, readable=not self.follower.unavailable, now=now)

    def _skip(self, record: Record, skip: Skip) -> None:
        if skip.malformed:
            self.tally.malformed(record.data, skip.reason)
        else:
            self.tally.count(skip.outcome)
