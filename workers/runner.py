"""``bringup work``: the worker threads of one process, and the three small loops that look after them."""

import os
import secrets
import socket
from collections.abc import Callable
from threading import Event, Thread

from bringup import log, tls
from bringup.connections import ApiClient, connect_redis, redis_errors
from bringup.errors import TransientError
from bringup.model import JobKind
from bringup.queues import QUEUE_OF, Queues
from bringup.settings import Settings
from workers import delayed, liveness
from workers.callback import Callback
from workers.job import job_class
from workers.jobs import Tools, job_functions
from workers.sweep import Sweep
from workers.worker import QueueWorker

_STOP_WITHIN_S = 8.0
_LONGEST_WAIT_S = 5.0
_SHARE = {JobKind.BOOT: 0.5, JobKind.FINISH: 0.25, JobKind.DISCOVER: 0.125, JobKind.EXPIRE: 0.125}


def threads_of(concurrency: int) -> dict[JobKind, int]:
    """How many threads serve each queue: one at least; boots, which wait on BMCs, get what is left."""
    threads = {kind: max(1, int(concurrency * share)) for kind, share in _SHARE.items()}
    threads[JobKind.BOOT] += concurrency - sum(threads.values())
    return threads


class Runner:
    """All worker threads of one process. Survives Redis and the API being away for as long as it takes."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        contexts = tls.ClientContexts()
        self._connection = connect_redis(settings, contexts, name="worker")
        self._queues = Queues(self._connection)
        self._callback = Callback(ApiClient(settings, contexts))
        self._job_class = job_class(settings, job_functions(Tools(settings, self._callback)))
        self._sweep = Sweep(self._connection, self._queues)
        self._process = f"{socket.gethostname()}.{os.getpid()}.{secrets.token_hex(3)}"
        self._workers: dict[str, QueueWorker] = {}
        self._stopping = Event()
        self._away: set[type[TransientError]] = set()

    def stop(self) -> None:
        """Finish the jobs in hand and end; callable from a signal handler."""
        self._stopping.set()

    def run(self) -> None:
        """Work until `stop`. Raises PermanentError when Redis refuses us at the start."""
        self._check_redis()
        threads = [self._start(f"work {name}", 0, self._work_on(kind, name)) for kind, name in self._slots()]
        loops = [
            self._start("liveness", liveness.BEAT_EVERY_S, self._beat),
            self._start("delayed jobs", 0.5, self._enqueue_due),
            self._start("sweep of held jobs", 1, self._put_back_held),
            self._start("sweep of owed jobs", 5, self._put_back_owed),
        ]
        log.get("workers").info("working", threads=len(threads), process=self._process)
        self._stopping.wait()
        log.get("workers").info("stopping: jobs in hand are finished first")
        self._join(threads)
        self._join(loops)
        log.get("workers").info("stopped")

    def _check_redis(self) -> None:
        """A wrong password is told at once; a Redis that is away is waited for."""
        try:
            with redis_errors(self._settings):
                self._connection.ping()
        except TransientError as error:
            self._say_away(error)

    def _slots(self) -> list[tuple[JobKind, str]]:
        counts = threads_of(self._settings.worker_concurrency)
        return [(kind, f"{QUEUE_OF[kind]}.{n}") for kind, count in counts.items() for n in range(count)]

    def _start(self, what: str, every_s: float, step: Callable[[], None]) -> Thread:
        thread = Thread(target=self._repeat, args=(what, every_s, step), name=what, daemon=True)
        thread.start()
        return thread

    def _repeat(self, what: str, every_s: float, step: Callable[[], None]) -> None:
        """Take ``step`` again and again; an error is told and waited out, and never ends the thread."""
        wait_s, met = every_s, None
        while not self._stopping.is_set():
            try:
                with redis_errors(self._settings):
                    step()
                self._say_back(met)
                wait_s, met = every_s, None
            except TransientError as error:
                wait_s, met = min(max(wait_s, 0.25) * 2, _LONGEST_WAIT_S), self._say_away(error)
            except Exception:  # noqa: BLE001 - a bug in one job or loop must not end the service
                log.get("workers").exception("this loop failed and goes on", loop=what)
                wait_s = _LONGEST_WAIT_S
            self._stopping.wait(wait_s)

    def _say_away(self, error: TransientError) -> type[TransientError]:
        """Once, however many threads meet it."""
        if type(error) not in self._away:
            self._away.add(type(error))
            log.get("workers").warning("waiting; nothing is lost", why=str(error))
        return type(error)

    def _say_back(self, met: type[TransientError] | None) -> None:
        if met in self._away:
            self._away.discard(met)
            log.get("workers").info("working again", after=met.__name__)

    def _work_on(self, kind: JobKind, slot: str) -> Callable[[], None]:
        def serve_with_a_new_worker() -> None:
            name = f"{self._process}.{slot}.{secrets.token_hex(3)}"
            worker = QueueWorker(
                self._queues.queue(kind),
                name=name,
                connection=self._connection,
                job_class=self._job_class,
                serializer=self._queues.queue(kind).serializer,
            )
            self._workers[slot] = worker
            worker.serve(self._stopping)

        return serve_with_a_new_worker

    def _beat(self) -> None:
        in_hand = [execution for worker in list(self._workers.values()) for execution in worker.running()]
        liveness.beat(self._connection, in_hand)

    def _enqueue_due(self) -> None:
        delayed.enqueue_due(self._connection, self._queues)

    def _put_back_held(self) -> None:
        self._sweep.put_back_held()

    def _put_back_owed(self) -> None:
        self._sweep.put_back_owed(self._callback.open_runs())

    def _join(self, threads: list[Thread]) -> None:
        share_s = _STOP_WITHIN_S / max(1, len(threads))
        for thread in threads:
            thread.join(timeout=share_s)
