"""``bringup work``: the worker threads of one process, and the small loops that look after their jobs."""

import os
import secrets
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from threading import Event, Lock, Thread

from bringup import backoff, errors, log, model, queues, tls
from bringup.connections.api_client import ApiClient
from bringup.connections.redis_client import check_writes, connect_redis, redis_errors
from bringup.outages import Outages, Service
from bringup.service_manager import Notifier
from bringup.settings import Settings
from workers import bmc_latency, deadlines, delayed, in_flight, job, job_context, jobs, reaper, turns
from workers.worker import ANSWER_WITHIN_S, QueueWorker

JobFunctions = Callable[[job_context.JobContext], Mapping[str, job.JobFunction]]

# Seconds that jobs and loops have to end after SIGTERM. The whole process ends within 10 s, as service managers expect;
# a job that is not done by then is requeued by another process.
_JOBS_STOP_WITHIN_S = 7.0
_LOOPS_STOP_WITHIN_S = 1.0
# Seconds until a loop that failed tries again, at least and at most: a new master is used within 2 s, what the tailer
# and the API wait included. Spread, so that the threads of a process do not all ask at once.
_RETRY_S = (0.25, 0.5)
# Seconds between two tracebacks of the same error in the same loop: 20 loops that fail without end log 20 of them a
# minute, about 1 KB/s.
_LOG_AGAIN_AFTER_S = 60.0
# Seconds between two rounds of each loop. A delayed job and a killed worker's job wait that much longer at most; a
# round costs a few commands of Redis, and the one for missing jobs a request to the API. Each process looks for delayed
# jobs, at its own times: with several of them a job waits less, and more often would cost Redis more than all else.
_DELAYED_EVERY_S = 1.0
_IN_FLIGHT_EVERY_S = 1.0
_MISSING_EVERY_S = 5.0
_EXPIRED_EVERY_S = 60.0
_LATENCY_EVERY_S = 15.0  # what Prometheus often asks every
# Seconds between two looks at whether the loops go round; the start of a service waits for the first.
_LOOK_EVERY_S = 0.5
# Seconds without a round of a loop after which the process is stuck, and the service manager restarts it. Each step is
# bounded by the timeouts of Redis and of the API's calls, which are far below.
_STUCK_AFTER_S = 300.0
# Seconds between two signs of life of our threads in rq's records. The API takes a thread for dead 60 s after its last
# one, by two clocks that need not agree; the records expire after 2 min. Each thread costs Redis two commands.
_RECORDS_EVERY_S = 20.0


class LoopErrors:
    """Logs unexpected errors of loops, with their traceback; the same error of a loop once a minute."""

    def __init__(self) -> None:
        self._lock = Lock()  # without it two threads that fail together would both log
        self._again_at: dict[tuple[str, type[BaseException]], float] = {}

    def report(self, loop: str, error: BaseException) -> None:
        """``loop`` failed with ``error`` and continues."""
        now = time.monotonic()
        key = (loop, type(error))
        with self._lock:
            if now < self._again_at.get(key, now):
                return
            self._again_at[key] = now + _LOG_AGAIN_AFTER_S
        log.get("workers").error("this loop failed and goes on", loop=loop, exc_info=error)


class Runner:
    """All worker threads of one process. It waits while Redis or the API is away, for as long as that takes.

    Args:
        settings: of this process; WORKER_CONCURRENCY threads are started.
        functions: makes the allow-list of what jobs may call.
    """

    def __init__(self, settings: Settings, functions: JobFunctions = jobs.job_functions) -> None:
        self._settings = settings
        contexts = tls.ClientContexts()
        timeout_s = max(settings.redis_timeout_s, ANSWER_WITHIN_S)
        listening = settings.model_copy(update={"redis_timeout_s": timeout_s})
        self._connection = connect_redis(listening, contexts, name="worker")
        self._queues = queues.Queues(self._connection)
        # The jobs, and the loops that ask for open runs and report the latency of BMCs.
        client = ApiClient(settings, contexts, threads=settings.worker_concurrency + 2)
        self._callback = job_context.Callback(client)
        self._bmc_latency = bmc_latency.BmcLatency()
        make_bmc = partial(job_context.bmc_of, measured=self._bmc_latency.count)
        context = job_context.JobContext(
            settings, self._callback, boot_in_flight=self._boot_in_flight, make_bmc=make_bmc
        )
        self._job_class = job.job_class(settings, functions(context))
        self._reaper = reaper.Reaper(self._connection, self._queues)
        self._process = f"{socket.gethostname()}.{os.getpid()}.{secrets.token_hex(3)}"
        self._turns = turns.Turns(settings.worker_concurrency, turns.reserved_of(settings.worker_concurrency))
        self._deadlines = deadlines.Deadlines()
        self._workers: dict[str, QueueWorker] = {}
        self._stopping = Event()
        self._jobs_ended = Event()
        self._notifier = Notifier.taken_from()
        self._reached_redis = Event()
        self._came_round_at: dict[str, float] = {}  # each loop: when its last step ended, by the monotonic clock
        self._outages = Outages("workers")
        self._errors = LoopErrors()

    def stop(self) -> None:
        """Finish the jobs in flight and end; callable from a signal handler."""
        self._stopping.set()

    def run(self) -> None:
        """Work until `stop`. Raises PermanentError when Redis refuses us at the start."""
        self._check_redis()
        count = self._settings.worker_concurrency
        threads = [self._start(f"work {number}", 0, self._work_as(str(number))) for number in range(count)]
        loops = [
            self._start("delayed jobs", _DELAYED_EVERY_S, self._enqueue_due),
            self._start("jobs in flight", _IN_FLIGHT_EVERY_S, self._reaper.requeue_in_flight),
            self._start("missing jobs", _MISSING_EVERY_S, self._enqueue_missing, Service.REDIS, Service.API),
            self._start("expired records", _EXPIRED_EVERY_S, self._reaper.drop_expired),
            self._start("latency of BMCs", _LATENCY_EVERY_S, self._report_latency, Service.API),
            self._start("own records", _RECORDS_EVERY_S, self._keep_records),
        ]
        # Apart from the other loops: it goes on after SIGTERM, until the last job in flight has ended.
        beats = Thread(target=self._keep_beating, name="heartbeat", daemon=True)
        beats.start()
        log.get("workers").info("working", threads=len(threads), process=self._process)
        self._supervise()
        self._turns.close()
        log.get("workers").info("stopping: jobs in flight are finished first")
        _join(threads, _JOBS_STOP_WITHIN_S)
        self._jobs_ended.set()
        _join([*loops, beats], _LOOPS_STOP_WITHIN_S)
        log.get("workers").info("stopped")

    def _supervise(self) -> None:
        """Until `stop`: report to the service manager once Redis is reached, and as long as every loop goes round."""
        while not self._stopping.wait(_LOOK_EVERY_S):
            if self._reached_redis.is_set():
                self._notifier.ready()
            oldest = min(self._came_round_at.values(), default=time.monotonic())
            if time.monotonic() - oldest < _STUCK_AFTER_S:
                self._notifier.beat()
        self._notifier.stopping()

    def _check_redis(self) -> None:
        """A wrong password is reported at once; a Redis that is away is waited for."""
        with suppress(errors.TransientError), self._outages.watching(Service.REDIS), redis_errors(self._settings):
            self._connection.ping()

    def _start(self, what: str, every_s: float, step: Callable[[], object], *services: Service) -> Thread:
        args = (what, every_s, step, services or (Service.REDIS,))
        # A daemon: a job that does not end in time must not keep the process from ending.
        thread = Thread(target=self._repeat, args=args, name=what, daemon=True)
        thread.start()
        return thread

    def _repeat(self, what: str, every_s: float, step: Callable[[], object], services: tuple[Service, ...]) -> None:
        """Take ``step`` again and again; an error is logged and waited out, and never ends the thread."""
        while not self._stopping.is_set():
            done = self._try(what, step, services)
            if every_s:
                self._came_round_at[what] = time.monotonic()
            self._stopping.wait(every_s if done else backoff.between(*_RETRY_S))

    def _keep_beating(self) -> None:
        """Mark the jobs in flight until the last has ended; never late, or they would be requeued. Ends long ones."""
        while not self._jobs_ended.is_set():
            self._deadlines.enforce()
            self._try("heartbeat", self._beat, (Service.REDIS, Service.REDIS_WRITES))
            self._came_round_at["heartbeat"] = time.monotonic()
            self._jobs_ended.wait(in_flight.BEAT_EVERY_S)

    def _try(self, what: str, step: Callable[[], object], services: tuple[Service, ...]) -> bool:
        began_at = self._outages.now()
        try:
            with redis_errors(self._settings), job.host_errors():
                step()
        except Exception as error:  # noqa: BLE001 - a bug in one job or loop must not end the service
            if not self._outages.failed(error, began_at):
                self._errors.report(what, error)
            return False
        self._outages.worked(services, began_at)
        return True

    def _work_as(self, slot: str) -> Callable[[], None]:
        # A new worker after each error, under a new name: rq registers a name once.
        def serve_with_a_new_worker() -> None:
            worker = QueueWorker(
                {kind: self._queues.queue(kind) for kind in model.JobKind},
                self._settings,
                name=f"{self._process}.{slot}.{secrets.token_hex(3)}",
                deadlines=self._deadlines,
                connection=self._connection,
                job_class=self._job_class,
                serializer=self._queues.queue(model.JobKind.BOOT).serializer,
            )
            # Registered before it gets heartbeats: rq takes a name that has one for that of another worker.
            self._workers.pop(slot, None)
            self._queues.register()
            worker.register_birth()  # type: ignore[no-untyped-call]
            self._workers[slot] = worker
            worker.serve(self._turns, self._stopping)

        return serve_with_a_new_worker

    def _keep_records(self) -> None:
        with self._connection.pipeline(transaction=False) as pipe:
            for worker in list(self._workers.values()):
                worker.heartbeat(pipeline=pipe)
            pipe.execute()

    def _beat(self) -> None:
        executions = [execution for worker in list(self._workers.values()) for execution in worker.running()]
        in_flight.beat(self._connection, executions)
        # With no job in flight nothing is written: this shows when Redis takes writes again.
        check_writes(self._connection)
        self._reached_redis.set()

    def _enqueue_due(self) -> None:
        delayed.enqueue_due(self._connection, self._queues)

    def _enqueue_missing(self) -> None:
        self._reaper.enqueue_missing(self._callback.open_runs)

    def _report_latency(self) -> None:
        if report := self._bmc_latency.report():
            self._callback.count_bmc_requests(report)
            self._bmc_latency.reported()

    def _boot_in_flight(self, run_id: str) -> bool:
        with redis_errors(self._settings):
            return in_flight.is_started(
                self._queues.queue(model.JobKind.BOOT), queues.job_id_of(model.JobKind.BOOT, run_id)
            )


def _join(threads: Iterable[Thread], within_s: float) -> None:
    deadline = time.monotonic() + within_s
    for thread in threads:
        thread.join(timeout=max(0.0, deadline - time.monotonic()))
