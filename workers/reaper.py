"""The sweep: puts back what a killed worker held, and the jobs that a run lives by but that are gone.

A job is taken for lost only when it was seen so twice, some seconds apart, without an error in between: after
an outage of Redis every worker looks silent until it has spoken again.
"""

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, cast

from rq import Queue

from bringup import log
from bringup.connections.redis_client import check_writes
from bringup.model import JobKind
from bringup.queues import QUEUE_OF, Queues, job_id_of
from bringup.wire.run import Run
from workers import in_flight, liveness

if TYPE_CHECKING:
    from redis import Redis
    from redis.client import Pipeline

_SUSPECT_FOR_S = 4.0
_FAILED_FOR_S = 60.0


class Suspects:
    """What has looked lost since when; only what keeps looking so is acted upon."""

    def __init__(self, suspect_for_s: float = _SUSPECT_FOR_S, clock: Callable[[], float] = time.monotonic) -> None:
        self._suspect_for_s = suspect_for_s
        self._clock = clock
        self._since: dict[str, float] = {}

    def confirmed(self, suspects: Iterable[str]) -> list[str]:
        """Those that have looked lost for long enough; whatever is not named any more is forgotten."""
        now = self._clock()
        self._since = {name: self._since.get(name, now) for name in suspects}
        return [name for name, since in self._since.items() if now - since >= self._suspect_for_s]

    def clear(self) -> None:
        """Forget all: after an error, nothing that was seen before it counts."""
        self._since.clear()


class Sweep:
    """Finds lost jobs and puts them back. Any number of processes may sweep: each job moves in one transaction."""

    def __init__(self, connection: "Redis", queues: Queues) -> None:
        self._connection = connection
        self._queues = queues
        self._held = Suspects()
        self._gone = Suspects()
        self._failed = Suspects(_FAILED_FOR_S)

    def put_back_held(self) -> list[str]:
        """Put back the jobs that silent workers hold; returns their ids."""
        try:
            # While Redis takes no writes no worker can show that it lives.
            check_writes(self._connection)
            lost = {f"{QUEUE_OF[kind]}/{entry}": (kind, entry) for kind in JobKind for entry in self._lost(kind)}
            confirmed = [lost[name] for name in self._held.confirmed(lost)]
            return [entry.partition(":")[0] for kind, entry in confirmed if self._put_back(kind, entry)]
        except Exception:
            self._held.clear()
            raise

    def put_back_owed(self, open_runs: Callable[[], Iterable[Run]]) -> list[str]:
        """Enqueue anew the jobs that runs live by and that are nowhere, or have failed a while ago; their ids.

        Args:
            open_runs: asks for the runs that are not closed.
        """
        try:
            owed = {job_id_of(kind, run.run_id): (kind, run.run_id) for run in open_runs() for kind in run.owes}
            failed = {job_id for job_id, (kind, _) in owed.items() if self._has_failed(kind, job_id)}
            gone = [job_id for job_id, (kind, _) in owed.items() if not self._is_somewhere(kind, job_id)]
            again = [
                *self._gone.confirmed(job_id for job_id in gone if job_id not in failed),
                *self._failed.confirmed(job_id for job_id in gone if job_id in failed),
            ]
            for job_id in again:
                self._enqueue_anew(*owed[job_id])
        except Exception:
            self._gone.clear()
            raise
        return again

    def _lost(self, kind: JobKind) -> set[str]:
        """Entries of silent workers: started jobs (``job:execution``), and taken but not started (``job``)."""
        queue = self._queues.queue(kind)
        return liveness.silent(self._connection, in_flight.started(queue)) | set(in_flight.taken(queue))

    def _put_back(self, kind: JobKind, entry: str) -> bool:
        queue = self._queues.queue(kind)
        job_id, _, execution_id = entry.partition(":")
        started, taken = queue.started_job_registry.key, queue.intermediate_queue.key

        def body(pipe: "Pipeline") -> str:
            is_started = pipe.zscore(started, entry) is not None
            is_taken = not execution_id and pipe.lpos(taken, job_id) is not None
            if not is_started and not is_taken:
                return ""  # another process was quicker, or the worker lives
            is_there = in_flight.exists(queue, job_id)
            pipe.multi()
            pipe.zrem(started, entry)
            pipe.lrem(taken, 1, job_id)
            if is_there:
                in_flight.put_on(queue, job_id, pipe, at_front=True)
            return "put back" if is_there else "the job itself is gone"

        transaction: Any = self._connection.transaction
        done = cast("str", transaction(body, started, taken, value_from_callable=True))
        if done:
            log.get("sweep").warning("a worker died with this job in hand", job_id=job_id, done=done)
        return done == "put back"

    def _enqueue_anew(self, kind: JobKind, run_id: str) -> None:
        job_id = job_id_of(kind, run_id)
        self._connection.zrem(self._queues.queue(kind).failed_job_registry.key, job_id)
        self._queues.add(kind, run_id)
        log.get("sweep").warning("a job that a run lives by was gone: enqueued anew", job_id=job_id)

    def _has_failed(self, kind: JobKind, job_id: str) -> bool:
        return self._connection.zscore(self._queues.queue(kind).failed_job_registry.key, job_id) is not None

    def _is_somewhere(self, kind: JobKind, job_id: str) -> bool:
        """Whether the job waits or runs, and is there."""
        queue: Queue = self._queues.queue(kind)
        pipe = self._connection.pipeline(transaction=False)
        pipe.lpos(queue.key, job_id)
        pipe.lpos(queue.intermediate_queue.key, job_id)
        pipe.zscore(queue.scheduled_job_registry.key, job_id)
        waits = any(place is not None for place in pipe.execute())
        return (waits or in_flight.is_started(queue, job_id)) and in_flight.exists(queue, job_id)
