"""The queues: which job goes where, under which id, and how it gets there.

Jobs are JSON, never pickle: a client that can write to Redis must not be able to run code in the workers. They name a
function by its dotted path, which `workers.job` looks up in an allow-list and never imports.
"""

import re
import zlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

from rq import Queue
from rq.job import Job, JobStatus
from rq.serializers import JSONSerializer

from bringup import keys, model
from bringup.lease_jobs import ADD_LEASES, NOBODY, LeaseRecord, RecordReader

if TYPE_CHECKING:
    from redis import Redis
    from redis.client import Pipeline

# rq moves a job atomically only for a worker that listens on one queue, so each kind has a queue of its own.
QUEUE_OF = {
    model.JobKind.DISCOVER: "leases",
    model.JobKind.BOOT: "boots",
    model.JobKind.FINISH: "finishes",
    model.JobKind.EXPIRE: "deadlines",
}
FUNCTION_OF = {kind: f"workers.jobs.{kind.value}" for kind in model.JobKind}

# Seconds that the hash of a job is kept. While that of a lease exists, the same lease is recognised without asking the
# API; later the API is asked, and answers the same.
DISCOVER_KEPT_S = 24 * 3600
# Of all other jobs nothing is kept: the timeline of the run shows what they did, for RUN_KEEP_DAYS.
RESULT_KEPT_S = 0
# A job that fails has met a bug, as a rule: its traceback waits for an operator who was away for a week.
FAILURE_KEPT_S = 7 * 24 * 3600
# Above every bound that a job has by itself (a BMC's tries, tasks and waits), so that only one that hangs meets it.
JOB_TIMEOUT_S = 3600


def job_id_of(kind: model.JobKind, run_id: str) -> str:
    """The id of a run's job; for discover the run id itself, so that a repeated lease is one job."""
    return run_id if kind is model.JobKind.DISCOVER else f"{run_id}_{kind.value}"


def run_of(queue: str, job_id: str) -> str | None:
    """The run of a job that is all in its id; None: it is of another queue, or its hash says more, such as a lease.

    Args:
        queue: the name of the job's queue.
        job_id: of the job, of any form.
    """
    kinds = (kind for kind, name in QUEUE_OF.items() if name == queue and kind is not model.JobKind.DISCOVER)
    run_id = next((job_id.removesuffix(f"_{kind.value}") for kind in kinds), job_id)
    return run_id if run_id != job_id and re.fullmatch(model.RUN_ID, run_id) else None


class Queues:
    """All queues of bringup on one Redis connection."""

    def __init__(self, connection: "Redis") -> None:
        self._connection = connection
        self._queues = {kind: open_queue(name, connection) for kind, name in QUEUE_OF.items()}

    def queue(self, kind: model.JobKind) -> Queue:
        """The rq queue for jobs of ``kind``."""
        return self._queues[kind]

    def add_lease(self, event: model.LeaseEvent) -> bool:
        """Put a lease on its queue, once. False: it was there already."""
        return self.add_leases([LeaseRecord(event)])[0]

    def add_leases(self, leases: Sequence[LeaseRecord], reader: RecordReader = NOBODY) -> list[bool]:
        """Put leases on their queue, each once, in one transaction. False: it was there already.

        One that the reader itself has queued for this record is new: the reply was lost, or it was killed meanwhile.
        """
        queue = self._queues[model.JobKind.DISCOVER]
        return _add_leases(queue, new_job(queue, model.JobKind.DISCOVER, leases[0].event.run_id, {}), leases, reader)

    def add(
        self, kind: model.JobKind, run_id: str, *, at: datetime | None = None, pipeline: "Pipeline | None" = None
    ) -> None:
        """Put a job on its queue.

        Args:
            at: when; None is now. A later call for the same job replaces the time.
            pipeline: inside it the job comes to be with the state change or not at all.
        """
        queue, pipe = self._queues[kind], pipeline
        job = new_job(queue, kind, run_id, {"run_id": run_id})
        if pipe is None:
            pipe = self._connection.pipeline(transaction=True)
        # As rq's enqueue_job() and schedule_job() write it, with two commands instead of four: see `register`.
        if at is None:
            job.enqueued_at = datetime.now(UTC)
            pipe.hset(job.key, mapping={**job.to_dict(), "status": JobStatus.QUEUED.value})
            pipe.rpush(queue.key, job.id)
        else:
            pipe.hset(job.key, mapping={**job.to_dict(), "status": JobStatus.SCHEDULED.value})
            pipe.zadd(keys.rq_scheduled(queue.name), {job.id: int(at.timestamp())})
        if pipeline is None:
            pipe.execute()

    def register(self) -> None:
        """Put all queues into rq's set of queues, by which its own tools find them. A worker does when it starts."""
        self._connection.sadd(keys.RQ_QUEUES, *(queue.key for queue in self._queues.values()))

    def cancel(self, kind: model.JobKind, run_id: str, pipeline: "Pipeline") -> None:
        """Delete a job that waits for its time; one whose time has come stays, for its id says all of it.

        Args:
            kind, run_id: of the job.
            pipeline: of the transaction after which nothing needs it.
        """
        job_id = job_id_of(kind, run_id)
        pipeline.zrem(keys.rq_scheduled(QUEUE_OF[kind]), job_id)
        pipeline.delete(Job.key_for(job_id))

    def postpone(self, kind: model.JobKind, run_id: str, at: datetime, pipeline: "Pipeline") -> None:
        """Change the time of a job that waits for it.

        Args:
            kind, run_id: of the job, which is all in its id: it may have run since, and have no hash any more.
            at: when it is due.
            pipeline: of the transaction that moves its time.
        """
        pipeline.zadd(keys.rq_scheduled(QUEUE_OF[kind]), {job_id_of(kind, run_id): int(at.timestamp())})

    def counted_by(self) -> dict[str, dict[str, tuple[str, str]]]:
        """Of every queue, by its name, the commands that count its jobs queued, started, scheduled and failed."""
        return {
            queue.name: {
                "queued": ("LLEN", queue.key),
                # A lease that is dequeued is not registered as started (workers.job_records).
                "started": ("LLEN", queue.intermediate_queue_key)
                if kind is model.JobKind.DISCOVER
                else ("ZCARD", queue.started_job_registry.key),
                "scheduled": ("ZCARD", queue.scheduled_job_registry.key),
                "failed": ("ZCARD", queue.failed_job_registry.key),
            }
            for kind, queue in self._queues.items()
        }


def new_job(queue: Queue, kind: model.JobKind, run_id: str, kwargs: dict[str, Any]) -> Job:
    """A job that is not in Redis yet.

    Args:
        queue: of jobs of this kind.
        kind, run_id: name the job.
        kwargs: of its function.
    """
    return queue.create_job(
        FUNCTION_OF[kind],
        kwargs=kwargs,
        job_id=job_id_of(kind, run_id),
        timeout=JOB_TIMEOUT_S,
        result_ttl=DISCOVER_KEPT_S if kind is model.JobKind.DISCOVER else RESULT_KEPT_S,
        failure_ttl=FAILURE_KEPT_S,
        description=f"{kind.value} {run_id}",
    )


def _add_leases(queue: Queue, job: Job, leases: Sequence[LeaseRecord], reader: RecordReader) -> list[bool]:
    """See `Queues.add_leases`. ``job``: a new one for one of them; it serves all, for to make one takes longest."""
    now = datetime.now(UTC)
    job.origin, job.created_at, job.enqueued_at = queue.name, now, now
    own = [argument for lease in leases for argument in _own_fields(job, lease)]
    fields = {**job.to_dict(), "status": JobStatus.QUEUED.value}
    shared = [part for name, value in fields.items() if name not in {"data", "description"} for part in (name, value)]
    jobs = [Job.key_for(lease.event.run_id) for lease in leases]
    places = [queue.key, Queue.redis_queues_keys, keys.BARRIER, *jobs]
    # A transaction, though a script is one already: a `ReplicatedRedis` waits for its replicas only after one.
    pipe = queue.connection.pipeline(transaction=True)
    pipe.eval(ADD_LEASES, len(places), *places, *reader, len(shared), *shared, *own)
    return [bool(new) for new in cast("list[int]", pipe.execute()[0])]


def _own_fields(job: Job, lease: LeaseRecord) -> tuple[str, int, str, bytes]:
    """Id, number, description and data of a lease's job."""
    run_id = lease.event.run_id
    job.kwargs = {"lease": lease.event.model_dump(mode="json", exclude_none=True)}
    return run_id, lease.number, f"{model.JobKind.DISCOVER.value} {run_id}", zlib.compress(job.data)


def open_queue(name: str, connection: "Redis") -> Queue:
    """The rq queue ``name``, with our serializer."""
    return Queue(name, connection=connection, serializer=JSONSerializer)
