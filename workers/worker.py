"""One worker thread: rq's SimpleWorker on one queue, without its signals, its fork and its remote commands."""

from threading import Event
from typing import TYPE_CHECKING, Any

from rq import Queue, SimpleWorker
from rq.exceptions import DequeueTimeout
from rq.timeouts import TimerDeathPenalty

if TYPE_CHECKING:
    from rq.job import Job

_LISTEN_S = 3  # how long a worker listens before it looks whether it should stop
_WORKER_TTL_S = 60


class QueueWorker(SimpleWorker):
    """Serves one queue until told to stop.

    rq's own loop ends on any error outside of dequeuing, installs signal handlers, and starts a thread that
    obeys whoever can publish to Redis; this one is made of the same parts without these.
    """

    death_penalty_class = TimerDeathPenalty  # the other one needs signals, which only a main thread gets

    def __init__(self, queue: Queue, *, name: str, **kwargs: Any) -> None:
        super().__init__([queue], name=name, worker_ttl=_WORKER_TTL_S, log_job_description=False, **kwargs)

    def serve(self, stopping: Event) -> None:
        """Do jobs until ``stopping`` is set. Raises whatever Redis raises."""
        self.register_birth()  # type: ignore[no-untyped-call]
        while not stopping.is_set():
            self.heartbeat()
            found = self._next_job()
            if found:
                self.execute_job(*found)
        self.register_death()  # type: ignore[no-untyped-call]

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

    def running(self) -> list[str]:
        """The executions in hand: ``<job id>:<execution id>``, as rq's started registry has them."""
        return [execution.composite_key for execution in list(self.executions.values())]
