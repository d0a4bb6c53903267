"""The reaper: requeues the jobs of killed workers, and enqueues the jobs that a run needs but that are gone.

A job counts as lost only when it was seen so twice, some seconds apart, without an error in between: after an
outage of Redis every worker looks silent until it has marked its executions again.
"""

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from rq.worker_registration import clean_worker_registry

from bringup import keys, log, model
from bringup.connections.redis_client import check_writes
from bringup.queues import QUEUE_OF, Queues, job_id_of, run_of
from bringup.wire.run import Run
from workers import in_flight

if TYPE_CHECKING:
    from redis import Redis
    from redis.client import Pipeline

# Seconds for which a job must seem lost. Two marks of a living worker (1.5 s each) fit in, so a worker that was only
# cut off from Redis has marked its executions again by then.
_SUSPECT_FOR_S = 4.0
# Seconds for which a job must have failed before it is enqueued anew: a defect of ours fails again at once, and each
# failure logs a traceback; this bounds them to one a minute.
_FAILED_FOR_S = 60.0
# Seconds for which one process looks for missing jobs: so long nobody does after it was killed. Above
# _SUSPECT_FOR_S, or no turn would last from the first sight of a missing job to the second.
_REAPER_TURN_S = 10
# Of the time of the process that looks for missing jobs. A look reads all open runs: of 10,000 it takes two seconds of
# API, Redis and worker, and every five seconds it would slow down the very storm that they are from.
_SHARE_OF_LOOKING = 0.05
# Seconds between two looks at most: one that took long because Redis or this host stalled shows nothing of the next
# one, and during such an outage jobs are lost.
_LONGEST_PAUSE_S = 60.0


class Suspects:
    """What has seemed lost since when; only what keeps seeming so is acted upon.

    Args:
        suspect_for_s: seconds for which something must seem lost.
        clock: in seconds.
    """

    def __init__(self, suspect_for_s: float = _SUSPECT_FOR_S, clock: Callable[[], float] = time.monotonic) -> None:
        self._suspect_for_s = suspect_for_s
        self._clock = clock
        self._since: dict[str, float] = {}

    def confirmed(self, suspects: Iterable[str]) -> list[str]:
        """Those that have seemed lost for long enough; what is not named any more is forgotten."""
        now = self._clock()
        self._since = {name: self._since.get(name, now) for name in suspects}
        return [name for name, since in self._since.items() if now - since >= self._suspect_for_s]

    def clear(self) -> None:
        """Forget all: after an error, nothing that was seen before it counts."""
        self._since.clear()


class Reaper:
    """Finds lost jobs and requeues them. Any number of processes may do so: each job moves in one transaction.

    Jobs that are missing altogether are looked for by one process at a time.

    Args:
        connection: to Redis.
        queues: whose jobs are looked after.
        clock: in seconds.
    """

    def __init__(self, connection: "Redis", queues: Queues, clock: Callable[[], float] = time.monotonic) -> None:
        self._connection = connection
        self._queues = queues
        self._clock = clock
        self._look_at = 0.0  # for missing jobs, again
        self._silent = Suspects()
        self._gone = Suspects()
        self._failed = Suspects(_FAILED_FOR_S)
        # Never released: it ends by itself, and with it the turn of a process that was killed.
        self._reaper_lock = connection.lock(keys.REAPER_LOCK, timeout=_REAPER_TURN_S, thread_local=False)

    def requeue_in_flight(self) -> list[str]:
        """Requeue the jobs in flight of workers that died; returns their ids.

        Raises:
            CorruptRecord: a key of one queue is of another type; the jobs of the others have been requeued.
        """
        lost: dict[str, tuple[model.JobKind, str]] = {}

        def look(kind: model.JobKind) -> None:
            lost.update({f"{QUEUE_OF[kind]}/{entry}": (kind, entry) for entry in self._lost(kind)})

        try:
            if not in_flight.any_started(self._connection, self._queues):
                self._silent.clear()
                return []
            # While Redis takes no writes no worker can show that it is alive.
            check_writes(self._connection)
            corrupt = in_flight.each_queue(look)
            confirmed = [lost[name] for name in self._silent.confirmed(lost)]
            requeued = [entry.partition(":")[0] for kind, entry in confirmed if self._requeue(kind, entry)]
        except Exception:
            self._silent.clear()
            raise
        if corrupt:
            raise corrupt
        return requeued

    def enqueue_missing(self, open_runs: Callable[[], Iterable[Run]]) -> list[str]:
        """Enqueue anew the jobs that runs need and that are nowhere, or have failed a while ago; returns their ids.

        Args:
            open_runs: asks for the runs that are not closed.
        """
        try:
            # A lock without an end, or a key of another type, would end the search for ever: Redis may hold what others
            # have written. It does nothing to a lock that ends by itself, as ours do.
            self._connection.expire(keys.REAPER_LOCK, _REAPER_TURN_S, nx=True)
            # One process looks for all: what it costs grows with the open runs, and would with the processes, too.
            if not (self._reaper_lock.owned() or self._reaper_lock.acquire(blocking=False)):
                self._gone.clear()
                self._look_at = 0.0
                return []
            if self._clock() < self._look_at:
                self._keep_turn()
                return []
            began_at = self._clock()
            needed = {
                job_id_of(kind, run.run_id): (kind, run.run_id) for run in open_runs() for kind in run.required_jobs
            }
            if not needed:  # as on an idle site
                self._gone.clear()
                self._failed.clear()
                return []
            places = in_flight.places(self._connection, self._queues, {kind for kind, _ in needed.values()})
            failed = needed.keys() & places.failed
            gone = [job_id for job_id in needed if job_id not in places.waiting_or_running]
            again = [
                *self._gone.confirmed(job_id for job_id in gone if job_id not in failed),
                *self._failed.confirmed(job_id for job_id in gone if job_id in failed),
            ]
            for job_id in again:
                self._enqueue_anew(*needed[job_id])
            ended_at = self._clock()
            share_s = (ended_at - began_at) / _SHARE_OF_LOOKING
            self._look_at = min(began_at + share_s, ended_at + _LONGEST_PAUSE_S)
            self._keep_turn()
        except Exception:
            self._gone.clear()
            raise
        return again

    def _keep_turn(self) -> None:
        """Only after a look that has worked: the turn of a process that cannot look must end."""
        self._connection.expire(keys.REAPER_LOCK, _REAPER_TURN_S)

    def drop_expired(self) -> None:
        """Drop rq's records of jobs that ended long ago and of workers that were killed.

        rq's own cleaning would also fail the jobs in flight that the reaper requeues.
        """

        def drop(kind: model.JobKind) -> None:
            queue = self._queues.queue(kind)
            clean_worker_registry(queue)
            for registry in (queue.finished_job_registry, queue.failed_job_registry):
                with in_flight.type_checked(registry.key):
                    registry.cleanup()

        if corrupt := in_flight.each_queue(drop):
            raise corrupt

    def _lost(self, kind: model.JobKind) -> set[str]:
        """Entries of silent workers: started jobs (``job:execution``), and dequeued but not started (``job``)."""
        queue = self._queues.queue(kind)
        started = in_flight.started(queue)
        return in_flight.silent(self._connection, started) | in_flight.abandoned(queue, started)

    def _requeue(self, kind: model.JobKind, entry: str) -> bool:
        queue = self._queues.queue(kind)
        job_id, _, execution_id = entry.partition(":")
        started, dequeued = queue.started_job_registry.key, queue.intermediate_queue.key

        def body(pipe: "Pipeline") -> str:
            is_started = pipe.zscore(started, entry) is not None
            # What is started stays among the dequeued ones until it ends.
            is_dequeued = not execution_id and job_id in in_flight.abandoned(queue)
            if not is_started and not is_dequeued:
                return ""  # another process was quicker, or the worker is alive
            is_stored = in_flight.has_hash(queue, job_id)
            is_there = is_stored or run_of(queue.name, job_id) is not None
            pipe.multi()
            pipe.zrem(started, entry)
            pipe.lrem(dequeued, 1, job_id)
            if is_there:
                in_flight.requeue(queue, job_id, pipe, is_stored=is_stored, at_front=True)
            return "requeued" if is_there else "the job itself is gone"

        # Without a transaction that watches both places two processes would requeue a job twice, or requeue one that
        # its worker has just ended.
        done = in_flight.transaction(self._connection, body, started, dequeued)
        if done:
            log.get("reaper").warning("a worker died with this job in flight", job_id=job_id, done=done)
        return done == "requeued"

    def _enqueue_anew(self, kind: model.JobKind, run_id: str) -> None:
        job_id = job_id_of(kind, run_id)
        self._connection.zrem(self._queues.queue(kind).failed_job_registry.key, job_id)
        self._queues.add(kind, run_id)
        log.get("reaper").warning("a job that a run needs was gone: enqueued anew", job_id=job_id)
