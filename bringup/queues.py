"""The queues: which job goes where, under which id, and how it gets there.

Jobs are JSON, never pickle: a client that can write to Redis must not be able to run code in the workers. They name a
function by its dotted path, which `workers.job` looks up in an allow-list and never imports.
"""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rq import Queue
from rq.exceptions import DuplicateJobError
from rq.job import Job
from rq.serializers import JSONSerializer

from bringup.model import JobKind, LeaseEvent

if TYPE_CHECKING:
    from redis import Redis
    from redis.client import Pipeline

# rq moves a job atomically only for a worker that listens on one queue, so each kind has a queue of its own.
QUEUE_OF = {
    JobKind.DISCOVER: "leases",
    JobKind.BOOT: "boots",
    JobKind.FINISH: "finishes",
    JobKind.EXPIRE: "deadlines",
}
FUNCTION_OF = {kind: f"workers.jobs.{kind.value}" for kind in JobKind}

# Seconds that the hash of a job is kept. While that of a lease exists, the same lease is recognised without asking the
# API; later the API is asked, and answers the same.
DISCOVER_KEPT_S = 24 * 3600
# Long enough to look at a job that has just ended; the run's own timeline is kept for RUN_KEEP_DAYS.
RESULT_KEPT_S = 600
# A job that fails has met a bug, as a rule: its traceback waits for an operator who was away for a week.
FAILURE_KEPT_S = 7 * 24 * 3600
# Above every bound that a job has by itself (a BMC's tries, tasks and waits), so that only one that hangs meets it.
JOB_TIMEOUT_S = 3600


def job_id_of(kind: JobKind, run_id: str) -> str:
    """The id of a run's job; for discover the run id itself, so that a repeated lease is one job."""
    return run_id if kind is JobKind.DISCOVER else f"{run_id}_{kind.value}"


class Queues:
    """All queues of bringup on one Redis connection."""

    def __init__(self, connection: "Redis") -> None:
        self._connection = connection
        self._queues = {kind: open_queue(name, connection) for kind, name in QUEUE_OF.items()}

    def queue(self, kind: JobKind) -> Queue:
        """The rq queue for jobs of ``kind``."""
        return self._queues[kind]

    def add_lease(self, event: LeaseEvent) -> bool:
        """Put a lease on its queue, once. False: it was there already."""
        queue = self._queues[JobKind.DISCOVER]
        job = self._job(JobKind.DISCOVER, event.run_id, {"lease": event.model_dump(mode="json", exclude_none=True)})
        try:
            queue.enqueue_job(job, unique=True)
        except DuplicateJobError:
            return False
        return True

    def has_lease(self, event: LeaseEvent) -> bool:
        """Whether the lease's job is there; on a `ReplicatedRedis`, at the replicas, too."""
        key = Job.key_for(event.run_id)

        # A transaction, though it only reads: on a `ReplicatedRedis` only a transaction waits for the replicas.
        def look(pipe: "Pipeline") -> bool:
            is_there = bool(pipe.exists(key))
            pipe.multi()
            return is_there

        transaction: Any = self._connection.transaction
        return bool(transaction(look, key, value_from_callable=True))

    def add(
        self, kind: JobKind, run_id: str, *, at: datetime | None = None, pipeline: "Pipeline | None" = None
    ) -> None:
        """Put a job on its queue.

        Args:
            at: when; None is now. A later call for the same job replaces the time.
            pipeline: inside it the job comes to be with the state change or not at all.
        """
        job = self._job(kind, run_id, {"run_id": run_id})
        if at is None:
            self._queues[kind].enqueue_job(job, pipeline=pipeline)
        else:
            self._queues[kind].schedule_job(job, at.astimezone(UTC), pipeline=pipeline)

    def counts(self) -> list[dict[str, Any]]:
        """Name and number of jobs queued, started, scheduled and failed, of every queue."""
        return [
            {
                "name": queue.name,
                "queued": queue.count,
                "started": queue.started_job_registry.get_job_count(cleanup=False),
                "scheduled": queue.scheduled_job_registry.get_job_count(cleanup=False),
                "failed": queue.failed_job_registry.get_job_count(cleanup=False),
            }
            for queue in self._queues.values()
        ]

    def _job(self, kind: JobKind, run_id: str, kwargs: dict[str, Any]) -> Job:
        return self._queues[kind].create_job(
            FUNCTION_OF[kind],
            kwargs=kwargs,
            job_id=job_id_of(kind, run_id),
            timeout=JOB_TIMEOUT_S,
            result_ttl=DISCOVER_KEPT_S if kind is JobKind.DISCOVER else RESULT_KEPT_S,
            failure_ttl=FAILURE_KEPT_S,
            description=f"{kind.value} {run_id}",
        )


def open_queue(name: str, connection: "Redis") -> Queue:
    """The rq queue ``name``, with our serializer."""
    return Queue(name, connection=connection, serializer=JSONSerializer)
