"""``bringup work``: the worker threads of one process, and the small loops that look after them."""

import os
import secrets
import socket
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from threading import Event, Thread

from bringup import log, tls
from bringup.connections.api_client import ApiClient
from bringup.connections.redis_client import check_writes, connect_redis, redis_errors
from bringup.errors import TransientError
from bringup.model import JobKind
from bringup.outages import Outages, Service
from bringup.queues import QUEUE_OF, Queues, job_id_of
from bringup.settings import Settings
from workers import delayed, housekeeping, in_flight, liveness
from workers.callback import Callback
from workers.complaints import Complaints
from workers.context import Tools
from workers.host import host_errors
from workers.job import job_class
from workers.jobs import job_functions
from workers.reaper import Sweep
from workers.worker import ANSWER_WITHIN_S, QueueWorker

_JOBS_STOP_WITHIN_S = 7.0
_LOOPS_STOP_WITHIN_S = 1.0
_LONGEST_WAIT_S = 0.5  # a new master is used within 2 s, what the tailer and the API wait included
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
        patient = settings.model_copy(update={"redis_timeout_s": max(settings.redis_timeout_s, ANSWER_WITHIN_S)})
        self._connection = connect_redis(patient, contexts, name="worker")
        self._queues = Queues(self._connection)
        self._callback = Callback(ApiClient(settings, contexts))
        tools = Tools(settings, self._callback, boot_in_hand=self._boot_in_hand)
        self._job_class = job_class(settings, job_functions(tools))
        self._sweep = Sweep(self._connection, self._queues)
        self._process = f"{socket.gethostname()}.{os.getpid()}.{secrets.token_hex(3)}"
        self._workers: dict[str, QueueWorker] = {}
        self._stopping = Event()
        self._jobs_ended = Event()
        self._outages = Outages("workers")
        self._complaints = Complaints("workers")

    def stop(self) -> None:
        """Finish the jobs in hand and end; callable from a signal handler."""
        self._stopping.set()

    def run(self) -> None:
        """Work until `stop`. Raises PermanentError when Redis refuses us at the start."""
        self._check_redis()
        threads = [self._start(f"work {name}", 0, self._work_on(kind, name)) for kind, name in self._slots()]
        loops = [
            self._start("delayed jobs", 0.5, lambda: delayed.enqueue_due(self._connection, self._queues)),
            self._start("sweep of held jobs", 1, self._sweep.put_back_held),
            self._start("sweep of owed jobs", 5, self._put_back_owed, Service.REDIS, Service.API),
            self._start("housekeeping", housekeeping.EVERY_S, lambda: housekeeping.forget_the_old(self._queues)),
        ]
        beats = Thread(target=self._keep_beating, name="liveness", daemon=True)
        beats.start()
        log.get("workers").info("working", threads=len(threads), process=self._process)
        self._stopping.wait()
        log.get("workers").info("stopping: jobs in hand are finished first")
        _join(threads, _JOBS_STOP_WITHIN_S)
        self._jobs_ended.set()
        _join([*loops, beats], _LOOPS_STOP_WITHIN_S)
        log.get("workers").info("stopped")

    def _check_redis(self) -> None:
        """A wrong password is told at once; a Redis that is away is waited for."""
        with suppress(TransientError), self._outages.watching(Service.REDIS), redis_errors(self._settings):
            self._connection.ping()

    def _slots(self) -> list[tuple[JobKind, str]]:
        counts = threads_of(self._settings.worker_concurrency)
        return [(kind, f"{QUEUE_OF[kind]}.{n}") for kind, count in counts.items() for n in range(count)]

    def _start(self, what: str, every_s: float, step: Callable[[], object], *services: Service) -> Thread:
        args = (what, every_s, step, services or (Service.REDIS,))
        thread = Thread(target=self._repeat, args=args, name=what, daemon=True)
        thread.start()
        return thread

    def _repeat(self, what: str, every_s: float, step: Callable[[], object], services: tuple[Service, ...]) -> None:
        """Take ``step`` again and again; an error is logged and waited out, and never ends the thread."""
        wait_s = every_s
        while not self._stopping.is_set():
            done = self._try(what, step, services)
            wait_s = every_s if done else min(max(wait_s, 0.25) * 2, _LONGEST_WAIT_S)
            self._stopping.wait(wait_s)

    def _keep_beating(self) -> None:
        """Speak for the jobs in hand until the last has ended; never late, or they would be given away."""
        while not self._jobs_ended.is_set():
            self._try("liveness", self._beat, (Service.REDIS, Service.REDIS_WRITES))
            self._jobs_ended.wait(liveness.BEAT_EVERY_S)

    def _try(self, what: str, step: Callable[[], object], services: tuple[Service, ...]) -> bool:
        began_at = self._outages.now()
        try:
            with redis_errors(self._settings), host_errors():
                step()
        except Exception as error:  # noqa: BLE001 - a bug in one job or loop must not end the service
            if not self._outages.failed(error, began_at):
                self._complaints.report(what, error)
            return False
        self._outages.worked(services, began_at)
        return True

    def _work_on(self, kind: JobKind, slot: str) -> Callable[[], None]:
        def serve_with_a_new_worker() -> None:
            queue = self._queues.queue(kind)
            worker = QueueWorker(
                queue,
                self._settings,
                name=f"{self._process}.{slot}.{secrets.token_hex(3)}",
                connection=self._connection,
                job_class=self._job_class,
                serializer=queue.serializer,
            )
            self._workers[slot] = worker
            worker.serve(self._stopping)

        return serve_with_a_new_worker

    def _beat(self) -> None:
        in_hand = [execution for worker in list(self._workers.values()) for execution in worker.running()]
        liveness.beat(self._connection, in_hand)
        check_writes(self._connection)  # so that it shows, without a job, when Redis takes writes again

    def _put_back_owed(self) -> None:
        self._sweep.put_back_owed(self._callback.open_runs)

    def _boot_in_hand(self, run_id: str) -> bool:
        with redis_errors(self._settings):
            return in_flight.is_started(self._queues.queue(JobKind.BOOT), job_id_of(JobKind.BOOT, run_id))


def _join(threads: Iterable[Thread], within_s: float) -> None:
    deadline = time.monotonic() + within_s
    for thread in threads:
        thread.join(timeout=max(0.0, deadline - time.monotonic()))
