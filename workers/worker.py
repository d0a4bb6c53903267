"""One worker thread: rq's SimpleWorker on one queue, without its signals, its fork and its remote commands."""

from datetime import UTC, datetime
from threading import Event, Timer
from typing import TYPE_CHECKING, Any

from rq import Queue, SimpleWorker
from rq.exceptions import DequeueTimeout
from rq.timeouts import TimerDeathPenalty

from bringup import errors, log, quarantine
from bringup.connections.redis_client import check_writes, redis_errors, redis_now
from workers.job import is_shortage

if TYPE_CHECKING:
    from redis.client import Pipeline
    from rq.executions import Execution
    from rq.job import Job

    from bringup.settings import Settings

# Seconds for which a worker waits for a job before it checks whether it should stop: SIGTERM ends the process within
# 10 s, of which the jobs in flight have 7.
_LISTEN_S = 3
# Seconds that Redis has for an answer on these connections: less would cut off a worker that waits for a job.
ANSWER_WITHIN_S = _LISTEN_S + 2
# Seconds after which rq's record of a killed worker expires. Nothing is decided by it: the reaper goes by marks.
_WORKER_TTL_S = 60


class RedisClockQueue(Queue):
    """rq adds the seconds to wait to this host's time, but what is due is compared with Redis's."""

    def schedule_job(
        self,
        job: "Job",
        datetime: datetime,
        pipeline: "Pipeline | None" = None,
        unique: bool = False,  # noqa: FBT001, FBT002 - rq's signature
    ) -> "Job":
        """As rq, so long after now by Redis's clock as ``datetime`` is after now by ours.

        Args:
            job, pipeline, unique: as rq has them.
            datetime: by this host's clock.
        """
        wait = datetime - _host_now()
        return super().schedule_job(job, redis_now(self.connection) + wait, pipeline, unique)


def _host_now() -> datetime:
    return datetime.now(UTC)


class _Deadline(TimerDeathPenalty):
    """Ends a job by a timer: rq's other way needs signals, which only a main thread gets."""

    def new_timer(self) -> Timer:
        """rq's own would keep the process from ending until the job's time is up."""
        timer: Timer = super().new_timer()  # type: ignore[no-untyped-call]
        timer.daemon = True
        return timer


class QueueWorker(SimpleWorker):
    """Serves one queue until it is stopped.

    rq's own loop ends on any error outside of dequeuing, installs signal handlers, and starts a thread that obeys
    every client that can publish to Redis; this one is made of the same parts without these.

    Args:
        queue: what it serves.
        settings: name the Redis in error messages.
        name: of its record in Redis.
    """

    death_penalty_class = _Deadline
    queue_class = RedisClockQueue

    def __init__(self, queue: Queue, settings: "Settings", *, name: str, **kwargs: Any) -> None:
        self._settings = settings
        # The same queue, whose delayed jobs go by Redis's clock.
        own = RedisClockQueue(queue.name, connection=queue.connection, serializer=queue.serializer)
        super().__init__([own], name=name, worker_ttl=_WORKER_TTL_S, log_job_description=False, **kwargs)

    @property
    def connection_timeout(self) -> int:
        """Seconds that every answer of Redis may take; with rq's own a dead connection would block us for a minute."""
        return ANSWER_WITHIN_S

    def serve(self, stopping: Event) -> None:
        """Do jobs until ``stopping`` is set. Raises whatever Redis raises."""
        self.register_birth()  # type: ignore[no-untyped-call]
        while not stopping.is_set():
            # For rq's own record alone; what keeps jobs in flight from being requeued is `in_flight.beat`.
            self.heartbeat()
            found = self._next_job()
            if found:
                self.execute_job(*found)
        self.register_death()  # type: ignore[no-untyped-call]

    def running(self) -> list[str]:
        """The executions in flight: ``<job id>:<execution id>``, as rq's started registry has them."""
        return [execution.composite_key for execution in list(self.executions.values())]

    def _next_job(self) -> "tuple[Job, Queue] | None":
        try:
            return self.queue_class.dequeue_any(
                self.queues,
                _LISTEN_S,
                connection=self.connection,
                job_class=self.job_class,
                serializer=self.serializer,
                death_penalty_class=self.death_penalty_class,
            )
        except DequeueTimeout:
            return None
        except Exception as error:
            # Only a job that no worker could ever read is quarantined. Any other error is of this worker at this time:
            # the job stays in flight, and the reaper requeues it.
            job_id = getattr(error, "job_id", None)  # rq names the job that it could not read
            if job_id is None or not isinstance(self._translated(error), errors.JobRefused | errors.CorruptRecord):
                raise
            self._quarantine(job_id, error)
            return None

    def _quarantine(self, job_id: str, error: Exception) -> None:
        kept = quarantine.Quarantine(self.connection).put(self.queues[0], job_id, str(error))
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
