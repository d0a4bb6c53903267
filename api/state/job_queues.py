"""The queues of jobs and their quarantine, as the API works with them."""

from collections import Counter
from collections.abc import Mapping, Sequence, Set
from datetime import datetime, timedelta

from rq.job import Job
from rq.utils import utcparse

from api.state.batch import Asked, Batch, ask_now, texts
from api.state.redis import Database
from bringup import errors, keys
from bringup.quarantine import Quarantine, QuarantineEntry
from bringup.queues import Queues
from bringup.tailers import reports
from bringup.wire.operator import QueueView, TailerView

# Each thread is marked every 15 s, by its host's clock, which may differ by seconds.
_ALIVE_WITHIN = timedelta(seconds=60)


def _is_alive(record: Mapping[bytes, bytes], since: datetime, in_flight: Set[bytes]) -> bool:
    """A thread is marked now and then, and its job more often while it has one."""
    beat = record.get(b"last_heartbeat")
    idle = beat is not None and utcparse(beat.decode()) > since
    return idle or record.get(b"current_job") in in_flight


def _time(text: object) -> datetime | None:
    """What any client of Redis may have written to a job."""
    try:
        return utcparse(text.decode()) if isinstance(text, bytes) else None
    except ValueError:
        return None


def _waited_s(enqueued_at: Asked[datetime | None], now: datetime) -> float | None:
    """By the clock of the host that enqueued it, which may be ahead of Redis's."""
    try:
        at = enqueued_at()
    # A key of another type is one that a client of Redis has written: it must not hide all queues.
    except errors.CorruptRecord:
        return None
    return max(0.0, (now - at).total_seconds()) if at else None


class JobQueues:
    """Counts jobs, and moves those in quarantine.

    Raises:
        RedisUnavailable: from every method, when Redis does not answer.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._queues = Queues(database.connection)
        self._quarantine = Quarantine(database.connection)

    def counts(self, quarantine: Sequence[QuarantineEntry]) -> list[QueueView]:
        """How many jobs each queue holds, by their state, of which some are in ``quarantine``."""
        quarantined, batch = Counter(job.queue for job in quarantine), Batch()
        counted = {
            queue: {state: batch.ask(int, *command) for state, command in commands.items()}
            for queue, commands in self._queues.counted_by().items()
        }
        now, known = ask_now(batch), {queue: batch.ask(texts, "SMEMBERS", keys.rq_workers(queue)) for queue in counted}
        first = {queue: batch.ask(texts, "LRANGE", keys.rq_queue(queue), 0, 0) for queue in counted}
        self._database.read(batch)
        workers, oldest_s = self._served_since(
            {queue: found() for queue, found in known.items()}, {queue: ids() for queue, ids in first.items()}, now()
        )
        return [
            QueueView(
                name=queue,
                quarantined=quarantined[queue],
                workers=workers[queue],
                oldest_s=oldest_s[queue],
                **{state: number() for state, number in numbers.items()},
            )
            for queue, numbers in counted.items()
        ]

    def tailers(self) -> list[TailerView]:
        """The tailers as they have reported last."""
        with self._database.errors():
            found, now = reports(self._database.connection)
        return [TailerView(**one.model_dump(exclude={"at"}), silent_s=(now - one.at).total_seconds()) for one in found]

    def _served_since(
        self, known: Mapping[str, list[str]], first: Mapping[str, list[str]], now: datetime
    ) -> tuple[dict[str, int], dict[str, float | None]]:
        """How many worker threads serve each queue, and for how many seconds its first job waits.

        rq forgets a thread that was killed after minutes only. None: there is no job, or it does not name a time.

        Args:
            known: the keys of the workers of each queue.
            first: the id of the first job of each queue, if there is one.
            now: by Redis's clock.
        """
        batch, since = Batch(), now - _ALIVE_WITHIN
        marked = batch.ask(texts, "ZRANGEBYSCORE", keys.EXECUTIONS, since.timestamp(), "+inf")
        records = {queue: [batch.ask(dict, "HGETALL", key) for key in workers] for queue, workers in known.items()}
        enqueued = {
            queue: batch.ask(_time, "HGET", Job.key_for(ids[0] if ids else ""), "enqueued_at")
            for queue, ids in first.items()
        }
        self._database.read(batch)
        in_flight = {mark.partition(":")[0].encode() for mark in marked()}
        alive = {queue: sum(_is_alive(one(), since, in_flight) for one in found) for queue, found in records.items()}
        return alive, {queue: _waited_s(at, now) for queue, at in enqueued.items()}

    def quarantined(self) -> list[QuarantineEntry]:
        """All jobs in quarantine, oldest first."""
        with self._database.errors():
            return self._quarantine.jobs()

    def enqueued(self, job_ids: Sequence[str]) -> set[str]:
        """Those of the jobs that exist outside of the quarantine: none of them can be put back."""
        with self._database.errors(), self._database.connection.pipeline(transaction=False) as pipe:
            for job_id in job_ids:
                pipe.exists(Job.key_for(job_id))
            return {job_id for job_id, is_there in zip(job_ids, pipe.execute(), strict=True) if is_there}

    def requeue(self, job_id: str) -> QuarantineEntry | None:
        """Put a job back on its queue; None when it is not in quarantine.

        Raises:
            AlreadyQueued: another job has its id now.
            QueueUnknown: its entry cannot be read.
        """
        with self._database.errors():
            return self._quarantine.requeue(job_id)

    def discard(self, job_id: str) -> QuarantineEntry | None:
        """Delete a job for good; None when it is not in quarantine."""
        with self._database.errors():
            return self._quarantine.discard(job_id)
