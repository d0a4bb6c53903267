"""One worker thread: rq's SimpleWorker on one queue, without its signals, its fork and its remote commands."""

from threading import Event, Timer
from typing import TYPE_CHECKING, Any

from rq import Queue, SimpleWorker
from rq.exceptions import DequeueTimeout
from rq.timeouts import TimerDeathPenalty

from bringup import log
from bringup.connections.redis_client import check_writes, redis_errors
from bringup.errors import CorruptRecord, JobRefused, RedisRefused, RedisUnavailable
from bringup.quarantine import Quarantine
from workers.host import is_shortage
from workers.schedule import RedisClockQueue

if TYPE_CHECKING:
    from rq.executions import Execution
    from rq.job import Job

    from bringup.settings import Settings

_LISTEN_S = 3  # how long a worker listens before it looks whether it should stop
ANSWER_WITHIN_S = _LISTEN_S + 2  # less for any connection would cut off those that listen
_WORKER_TTL_S = 60


class _Deadline(TimerDeathPenalty):
    """Ends a job by a timer, for the other kind needs signals, which only a main thread gets."""

    def new_timer(self) -> Timer:
        """rq's own would keep the process from ending until the job's time is up."""
        timer: Timer = super().new_timer()  # type: ignore[no-untyped-call]
        timer.daemon = True
        return timer


class QueueWorker(SimpleWorker):
    """Serves one queue until told to stop.

    rq's own loop ends on any error outside of dequeuing, installs signal handlers, and starts a thread that
    obeys whoever can publish to Redis; this one is made of the same parts without these.
    """

    death_penalty_class = _Deadline
    queue_class = RedisClockQueue

    def __init__(self, queue: Queue, settings: "Settings", *, name: str, **kwargs: Any) -> None:
        self._settings = settings
        own = RedisClockQueue(queue.name, connection=queue.connection, serializer=queue.serializer)
        super().__init__([own], name=name, worker_ttl=_WORKER_TTL_S, log_job_description=False, **kwargs)

    @property
    def connection_timeout(self) -> int:
        """Seconds that every answer of Redis may take; rq's own would let a dead connection hold us for a minute."""
        return ANSWER_WITHIN_S

    def serve(self, stopping: Event) -> None:
        """Do jobs until ``stopping`` is set. Raises whatever Redis raises."""
        self.register_birth()  # type: ignore[no-untyped-call]
        while not stopping.is_set():
            self.heartbeat()
            found = self._next_job()
            if found:
                self.execute_job(*found)
        self.register_death()  # type: ignore[no-untyped-call]

    def running(self) -> list[str]:
        """The executions in hand: ``<job id>:<execution id>``, as rq's started registry has them."""
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
            # Only what no worker could read at any time is quarantined. Whatever else went wrong went wrong here and
            # now: the job stays in hand, and the sweep puts it back.
            job_id = getattr(error, "job_id", None)  # rq says which job it could not read
            if job_id is None or not isinstance(self._translated(error), JobRefused | CorruptRecord):
                raise
            self._put_in_quarantine(job_id, error)
            return None

    def _put_in_quarantine(self, job_id: str, error: Exception) -> None:
        kept = Quarantine(self.connection).put(self.queues[0], job_id, str(error))
        log.get("workers").error("a job cannot be read: put in quarantine", job_id=job_id, why=str(error), kept=kept)

    def _finalize_failure(self, job: "Job", queue: Queue, execution: "Execution", exc_info: Any) -> None:
        """Record that a job failed; but when Redis or this host did, the job did not: it falls silent and is put back.

        Asked first whether it can be recorded, for rq would log a traceback and go on.
        """
        error = exc_info[1]
        if isinstance(self._translated(error), RedisUnavailable | RedisRefused) or is_shortage(error):
            raise error
        check_writes(self.connection)
        super()._finalize_failure(job, queue, execution, exc_info)

    def _translated(self, error: BaseException) -> BaseException:
        """The error of ours that an error of redis-py means; any other as it is."""
        try:
            with redis_errors(self._settings):
                raise error  # noqa: TRY301 - the translator takes what is raised in it
        except BaseException as translated:  # noqa: BLE001 - it is only looked at
            return translated
