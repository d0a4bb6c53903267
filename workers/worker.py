"""One worker thread: rq's SimpleWorker on one queue, without its signals, its fork and its remote commands."""

from threading import Event, Timer
from typing import TYPE_CHECKING, Any

from rq import Queue, SimpleWorker
from rq.exceptions import DequeueTimeout
from rq.timeouts import TimerDeathPenalty

from bringup.connections import redis_errors
from bringup.errors import BringupError, CorruptRecord
from workers import held

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

    def __init__(self, queue: Queue, settings: "Settings", *, name: str, **kwargs: Any) -> None:
        self._settings = settings
        super().__init__([queue], name=name, worker_ttl=_WORKER_TTL_S, log_job_description=False, **kwargs)

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
            job_id = getattr(error, "job_id", None)  # rq says which job it could not read
            if job_id is None or self._is_of_redis(error):
                raise
            held.set_aside(self.queues[0], job_id, error)
            return None

    def _finalize_failure(self, job: "Job", queue: Queue, execution: "Execution", exc_info: Any) -> None:
        """Record that a job failed; but when Redis did, the job did not: it falls silent and is put back."""
        if self._is_of_redis(exc_info[1]):
            raise exc_info[1]
        super()._finalize_failure(job, queue, execution, exc_info)

    def _is_of_redis(self, error: BaseException) -> bool:
        """Whether ``error`` means that Redis cannot work now, whoever met it."""
        try:
            with redis_errors(self._settings):
                raise error  # noqa: TRY301 - the translator takes what is raised in it
        except BringupError as translated:
            return translated is not error and not isinstance(translated, CorruptRecord)
        except BaseException:  # noqa: BLE001 - it is only looked at
            return False
