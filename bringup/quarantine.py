"""Jobs that no worker can read or may run: kept out of the way until a person puts them back or discards them."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError
from rq import Queue
from rq.job import Job

from bringup import errors, keys, text
from bringup.connections.redis_client import redis_now

if TYPE_CHECKING:
    from redis import Redis
    from redis.client import Pipeline

_LONGEST_REASON = 500  # characters; what is wrong, without the whole of what is wrong with it


class QuarantineEntry(BaseModel):
    """What is on record of a job in quarantine.

    Args:
        at: when it was put there, by Redis's clock.
    """

    model_config = ConfigDict(frozen=True)

    job_id: str
    queue: str
    reason: str
    at: AwareDatetime


class AlreadyQueued(errors.BringupError):
    """Another job has the id of the one in quarantine now."""


class QueueUnknown(errors.BringupError):
    """The entry cannot be read, so that the queue of the job is not known."""


class Quarantine:
    """The quarantine of one Redis.

    Every move is one transaction: a process that is killed between two of its commands would lose the job, or leave it
    both on its queue and here.
    """

    def __init__(self, connection: "Redis") -> None:
        self._connection = connection

    def put(self, queue: Queue, job_id: str, reason: str) -> bool:
        """Take a job that a worker has in hand out of its queue; False when there is nothing of it to keep.

        Args:
            queue: where the worker took it from.
            job_id: of any form: whatever was written to the queue.
            reason: why no worker can run it; its first 500 characters are kept.
        """
        known = QuarantineEntry(
            job_id=job_id,
            queue=queue.name,
            reason=text.printable(reason)[:_LONGEST_REASON],
            at=redis_now(self._connection),
        )

        def body(pipe: "Pipeline") -> bool:
            is_there = bool(pipe.exists(Job.key_for(job_id)))
            pipe.multi()
            pipe.lrem(queue.intermediate_queue.key, 0, job_id)
            if is_there:
                pipe.rename(Job.key_for(job_id), keys.quarantined_job(job_id))
                pipe.persist(keys.quarantined_job(job_id))
                pipe.hset(keys.QUARANTINE, job_id, known.model_dump_json())
            return is_there

        return bool(self._transact(body, Job.key_for(job_id)))

    def jobs(self) -> list[QuarantineEntry]:
        """All of them, oldest first."""
        stored = cast("dict[bytes, bytes]", self._connection.hgetall(keys.QUARANTINE))
        found = [_known(job_id.decode(errors="replace"), entry) for job_id, entry in stored.items()]
        return sorted(found, key=lambda job: job.at)

    def requeue(self, job_id: str) -> QuarantineEntry | None:
        """Put a job back at the end of its queue; None when it is not in quarantine.

        Raises:
            AlreadyQueued: a job of this id was enqueued since.
            QueueUnknown: the job stays where it is.
        """

        def body(pipe: "Pipeline") -> QuarantineEntry | None:
            known = self._entry(pipe, job_id)
            is_there, is_queued = (
                bool(pipe.exists(keys.quarantined_job(job_id))),
                bool(pipe.exists(Job.key_for(job_id))),
            )
            pipe.multi()
            if known is None:
                return None
            if is_queued:
                raise AlreadyQueued
            if not known.queue:
                raise QueueUnknown
            pipe.hdel(keys.QUARANTINE, job_id)
            if is_there:
                pipe.rename(keys.quarantined_job(job_id), Job.key_for(job_id))
                pipe.rpush(keys.rq_queue(known.queue), job_id)
            return known

        return cast(
            "QuarantineEntry | None",
            self._transact(body, keys.QUARANTINE, keys.quarantined_job(job_id), Job.key_for(job_id)),
        )

    def discard(self, job_id: str) -> QuarantineEntry | None:
        """Delete a job for good; None when it is not in quarantine."""

        def body(pipe: "Pipeline") -> QuarantineEntry | None:
            known = self._entry(pipe, job_id)
            pipe.multi()
            pipe.hdel(keys.QUARANTINE, job_id)
            pipe.delete(keys.quarantined_job(job_id))
            return known

        return cast("QuarantineEntry | None", self._transact(body, keys.QUARANTINE))

    def _entry(self, pipe: "Pipeline", job_id: str) -> QuarantineEntry | None:
        stored = cast("bytes | None", pipe.hget(keys.QUARANTINE, job_id))
        return _known(job_id, stored) if stored is not None else None

    def _transact(self, body: Any, *watched: str) -> object:
        transaction: Any = self._connection.transaction
        return cast("object", transaction(body, *watched, value_from_callable=True))


def _known(job_id: str, stored: bytes) -> QuarantineEntry:
    """An entry that cannot be read must not hide the others."""
    try:
        return QuarantineEntry.model_validate_json(stored)
    except ValidationError:
        never = datetime.fromtimestamp(0, UTC)
        return QuarantineEntry(job_id=job_id, queue="", reason="its entry in the quarantine cannot be read", at=never)
