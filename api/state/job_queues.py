"""The queues of jobs and their quarantine, as the API works with them."""

from collections import Counter
from collections.abc import Mapping, Sequence, Set
from datetime import datetime, timedelta
from typing import cast

from rq.job import Job
from rq.utils import utcparse

from api.state.redis import Database
from bringup import keys
from bringup.connections.redis_client import redis_now
from bringup.quarantine import Quarantine, QuarantineEntry
from bringup.queues import Queues
from bringup.tailers import reports
from bringup.wire.operator import QueueView, TailerView

# A thread that waits marks itself every 3 s, by its host's clock, which may differ by seconds.
_ALIVE_WITHIN = timedelta(seconds=60)


def _is_alive(record: Mapping[bytes, bytes], since: datetime, in_flight: Set[bytes]) -> bool:
    """A thread marks itself every few seconds while it waits, and its job while it has one."""
    beat = record.get(b"last_heartbeat")
    idle = beat is not None and utcparse(beat.decode()) > since
    return idle or record.get(b"current_job") in in_flight


def _time(text: object) -> datetime | None:
    """What any client of Redis may have written to a job."""
    try:
        return utcparse(text.decode()) if isinstance(text, bytes) else None
    except ValueError:
        return None


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
        quarantined = Counter(job.queue for job in quarantine)
        with self._database.errors():
            found = self._queues.counts()
            names = [counts["name"] for counts in found]
            workers, oldest_s = {name: self._workers(name) for name in names}, self._oldest_s(names)
        return [
            QueueView(**counts, quarantined=quarantined[name], workers=workers[name], oldest_s=oldest_s[name])
            for name, counts in zip(names, found, strict=True)
        ]

    def tailers(self) -> list[TailerView]:
        """The tailers as they have reported last."""
        with self._database.errors():
            found, now = reports(self._database.connection)
        return [TailerView(**one.model_dump(exclude={"at"}), silent_s=(now - one.at).total_seconds()) for one in found]

    def _workers(self, queue: str) -> int:
        """The worker threads that serve a queue: rq forgets one that was killed after minutes only."""
        redis = self._database.connection
        since = redis_now(redis) - _ALIVE_WITHIN
        marked = cast("list[bytes]", redis.zrangebyscore(keys.EXECUTIONS, since.timestamp(), "+inf"))
        in_flight = {mark.partition(b":")[0] for mark in marked}
        known = cast("set[bytes]", redis.smembers(keys.rq_workers(queue)))
        with redis.pipeline(transaction=False) as pipe:
            for worker in known:
                pipe.hgetall(worker.decode())
            records = cast("list[dict[bytes, bytes]]", pipe.execute())
        return sum(_is_alive(record, since, in_flight) for record in records)

    def _oldest_s(self, queues: Sequence[str]) -> dict[str, float | None]:
        """For how many seconds the first job of each queue waits; None: there is none, or it does not name a time."""
        redis = self._database.connection
        with redis.pipeline(transaction=False) as pipe:
            for queue in queues:
                pipe.lrange(keys.rq_queue(queue), 0, 0)
            # A key of another type is one that a client of Redis has written: it must not hide all queues.
            for ids in pipe.execute(raise_on_error=False):
                first = ids[0].decode(errors="replace") if isinstance(ids, list) and ids else ""
                pipe.hget(Job.key_for(first), "enqueued_at")
            since = map(_time, pipe.execute(raise_on_error=False))
        now = redis_now(redis)
        # By the clock of the host that enqueued it, which may be ahead of Redis's.
        return {
            queue: max(0.0, (now - at).total_seconds()) if at else None for queue, at in zip(queues, since, strict=True)
        }

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
