"""One worker thread: rq's SimpleWorker without its signals, its fork, its remote commands, and most of its records.

A job costs four round trips to Redis: it is taken, read, started and ended. rq needs twelve and more: it writes what
the worker does into Redis several times a job, keeps each execution under three keys besides the started registry,
registers what has finished, and looks for jobs that depend on this one. Nothing here reads these, and no job of ours
depends on another.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from threading import Event
from typing import TYPE_CHECKING, Any, cast
from uuid import uuid4

from rq import Queue, SimpleWorker
from rq.exceptions import DequeueTimeout, NoSuchJobError
from rq.executions import Execution
from rq.utils import current_timestamp, utcformat

from bringup import errors, log, quarantine
from bringup.connections.redis_client import check_writes, redis_errors
from workers import job_records
from workers.clock_queue import RedisClockQueue
from workers.deadlines import Deadlines
from workers.job import is_shortage

if TYPE_CHECKING:
    from redis.client import Pipeline
    from rq.job import Job
    from rq.registry import StartedJobRegistry

    from bringup.model import JobKind
    from bringup.settings import Settings
    from workers.job import AllowedJob
    from workers.turns import Turns

# Seconds for which a worker waits for a job before it checks whether it should stop: SIGTERM ends the process within
# 10 s, of which the jobs in flight have 7.
_LISTEN_S = 3
# Seconds that Redis has for an answer on these connections: less would cut off a worker that waits for a job.
ANSWER_WITHIN_S = _LISTEN_S + 2
# Seconds after which rq's record of a killed worker expires. Nothing is decided by it: the reaper goes by marks.
_WORKER_TTL_S = 60


class QueueWorker(SimpleWorker):
    """Serves queues, one at a time, until it is stopped.

    rq's own loop ends on any error outside of dequeuing, installs signal handlers, and starts a thread that obeys
    every client that can publish to Redis; this one is made of the same parts without these.

    Args:
        queues: what it serves.
        settings: name the Redis in error messages.
        name: of its record in Redis.
        deadlines: end jobs that take too long.
    """

    queue_class = RedisClockQueue

    def __init__(
        self,
        queues: "Mapping[JobKind, Queue]",
        settings: "Settings",
        *,
        name: str,
        deadlines: Deadlines,
        **kwargs: Any,
    ) -> None:
        self._settings = settings
        # rq's own need signals, which only a main thread gets, or a thread for each job. It calls this, and no more.
        self.death_penalty_class = deadlines.penalty  # type: ignore[assignment]
        self._queue_of = {kind: RedisClockQueue.of(queue) for kind, queue in queues.items()}
        own = list(self._queue_of.values())
        super().__init__(own, name=name, worker_ttl=_WORKER_TTL_S, log_job_description=False, **kwargs)

    @property
    def connection_timeout(self) -> int:
        """Seconds that every answer of Redis may take; with rq's own a dead connection would block us for a minute."""
        return ANSWER_WITHIN_S

    def serve(self, turns: "Turns", stopping: Event) -> None:
        """Do jobs until ``stopping`` is set, after `register_birth`. Raises whatever Redis raises."""
        while not stopping.is_set():
            with turns.take() as turn:
                if turn and (found := self.next_job(turn.kind)):
                    turn.took_job()
                    self.execute_job(*found)
        self.register_death()  # type: ignore[no-untyped-call]

    def heartbeat(self, timeout: int | None = None, pipeline: "Pipeline | None" = None) -> None:
        """As rq, without the executions of a worker, which we do not keep.

        Args:
            timeout: seconds that the record is kept.
            pipeline: sends it with others.
        """
        self.last_heartbeat = datetime.now(UTC)
        connection = self.connection if pipeline is None else pipeline
        connection.hset(self.key, "last_heartbeat", utcformat(self.last_heartbeat))
        connection.expire(self.key, timeout or self.worker_ttl + 60)

    def running(self) -> list[str]:
        """The executions in flight: ``<job id>:<execution id>``, as rq's started registry has them."""
        return [execution.composite_key for execution in list(self.executions.values())]

    def next_job(self, kind: "JobKind") -> "tuple[Job, Queue] | None":
        """A job of this kind, waited for a short time."""
        queue = self._queue_of[kind]
        try:
            _, taken = self.queue_class.lmove(self.connection, queue.key, _LISTEN_S)
        except DequeueTimeout:
            return None
        job_id = taken.decode()
        try:
            return self._fetch(job_id, queue), queue
        except NoSuchJobError:
            return None  # the reaper removes its id
        except Exception as error:
            # Only a job that no worker could ever read is quarantined. Any other error is of this worker at this time:
            # the job stays in flight, and the reaper requeues it.
            if not isinstance(self._translated(error), errors.JobRefused | errors.CorruptRecord):
                raise
            self._quarantine(queue, job_id, error)
            return None

    def _fetch(self, job_id: str, queue: Queue) -> "Job":
        """Raises NoSuchJobError: it has no hash, and its id does not say all of it."""
        try:
            return self.job_class.fetch(job_id, self.connection, self.serializer)
        except NoSuchJobError:
            if not job_records.made_anew(queue, job_id):
                raise
            return self.job_class.fetch(job_id, self.connection, self.serializer)

    def execute_job(self, job: "Job", queue: Queue) -> None:
        """Do a job that was taken from ``queue``."""
        # What its hash names may be another: the job would be started in one registry, and ended in the other.
        job.origin = queue.name
        self.perform_job(job, queue, self._start(job, queue))

    def _start(self, job: "Job", queue: Queue) -> Execution:
        execution = Execution(uuid4().hex, job.id, self.connection, self.name)
        # Before it is on record: one that is not marked in time would be taken for dead.
        self.executions[execution.id] = execution
        job.worker_name, job.started_at = self.name, execution.created_at
        until = current_timestamp() + self.get_heartbeat_ttl(job)
        job_records.begin(cast("AllowedJob", job), queue, execution, until)
        return execution

    def prepare_job_execution(self, job: "Job", remove_from_intermediate_queue: bool = False) -> None:  # noqa: FBT001, FBT002 - rq's signature
        """Nothing: `_start` has done it."""

    def handle_execution_ended(self, job: "Job", queue: Queue, heartbeat_ttl: int) -> None:
        """Remember when the job ended; it is written with its result.

        Args:
            job, queue: as rq has them.
            heartbeat_ttl: in seconds; nothing is written for which it would count.
        """
        job.ended_at = datetime.now(UTC)

    def handle_job_success(
        self,
        job: "Job",
        queue: Queue,
        started_job_registry: "StartedJobRegistry",
        execution: Execution,
    ) -> None:
        """Record that a job succeeded.

        Args:
            job, queue, started_job_registry, execution: as rq has them.
        """
        job_records.succeed(cast("AllowedJob", job), queue, execution, job.ended_at or datetime.now(UTC))
        self.executions.pop(execution.id, None)

    def handle_job_retry(self, job: "Job", *args: Any, **kwargs: Any) -> None:
        """As rq, which writes the status of the job before its transaction: the job must have a hash.

        A worker that is killed in between would leave one of the status alone, which nobody can read.
        """
        cast("AllowedJob", job).store()
        super().handle_job_retry(job, *args, **kwargs)

    def handle_job_failure(self, job: "Job", *args: Any, **kwargs: Any) -> None:
        """As rq, which writes to the hash of the job: it must have one."""
        cast("AllowedJob", job).store()
        super().handle_job_failure(job, *args, **kwargs)

    def cleanup_execution(self, job: "Job", pipeline: "Pipeline", execution: Execution | None = None) -> None:
        """The execution has ended: it is not on record as started any more.

        Args:
            job, execution: as rq has them.
            pipeline: the transaction that records how it ended.
        """
        if execution:
            queue = next(queue for queue in self.queues if queue.name == job.origin)
            job_records.end(job.id, queue, execution, pipeline)
            self.executions.pop(execution.id, None)

    def _quarantine(self, queue: Queue, job_id: str, error: Exception) -> None:
        kept = quarantine.Quarantine(self.connection).put(queue, job_id, str(error))
        log.get("workers").error("a job cannot be read: put in quarantine", job_id=job_id, why=str(error), kept=kept)

    def _finalize_failure(self, job: "Job", queue: Queue, execution: "Execution", exc_info: Any) -> None:
        """Record that a job failed. When Redis or this host failed, the job did not: it falls silent and is requeued.

        Whether Redis takes writes is checked first: rq would log a traceback and lose the record.
        """
        error = exc_info[1]
        if isinstance(self._translated(error), errors.RedisUnavailable | errors.RedisRefused) or is_shortage(error):
            raise error
        check_writes(self.connection)
        super()._finalize_failure(job, queue, execution, exc_info)

    def _translated(self, error: BaseException) -> BaseException:
        """The error of ours that an error of redis-py means; any other as it is."""
        try:
            with redis_errors(self._settings):
                raise error  # noqa: TRY301 - the translator takes what is raised in it
        except BaseException as translated:  # noqa: BLE001 - it is returned, not swallowed
            return translated
