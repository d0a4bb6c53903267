"""The sweep: puts back what a killed worker held, and the jobs that a run lives by but that are gone.

A job is taken for lost only when it was seen so twice, some seconds apart, without an error in between: after
an outage of Redis every worker looks silent until it has spoken again.
"""

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, cast

from rq import Queue
from rq.exceptions import NoSuchJobError
from rq.job import Job, JobStatus

from bringup import log
from bringup.model import JobKind
from bringup.queues import QUEUE_OF, Queues, job_id_of
from bringup.wire import Run
from workers import liveness

if TYPE_CHECKING:
    from redis import Redis
    from redis.client import Pipeline

_SUSPECT_FOR_S = 4.0
_SETTLED_AFTER_S = 5.0


class Suspects:
    """What has looked lost since when; only what keeps looking so is acted upon."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since: dict[str, float] = {}

    def confirmed(self, suspects: Iterable[str]) -> list[str]:
        """Those that have looked lost for long enough; whatever is not named any more is forgotten."""
        now = self._clock()
        self._since = {name: self._since.get(name, now) for name in suspects}
        return [name for name, since in self._since.items() if now - since >= _SUSPECT_FOR_S]

    def clear(self) -> None:
        """Forget all: after an error, nothing that was seen before it counts."""
        self._since.clear()


class Sweep:
    """Finds lost jobs and puts them back. Any number of processes may sweep: each job moves in one transaction."""

    def __init__(self, connection: "Redis", queues: Queues) -> None:
        self._connection = connection
        self._queues = queues
        self._held = Suspects()
        self._owed = Suspects()

    def put_back_held(self) -> list[str]:
        """Put back the jobs that silent workers hold; returns their ids."""
        try:
            held = {self._name(kind, entry): (kind, entry) for kind in JobKind for entry in self._lost(kind)}
            confirmed = [held[name] for name in self._held.confirmed(held)]
            return [entry.partition(":")[0] for kind, entry in confirmed if self._put_back(kind, entry)]
        except Exception:
            self._held.clear()
            raise

    def put_back_owed(self, runs: Iterable[Run]) -> list[str]:
        """Enqueue anew the jobs that ``runs`` live by and that are nowhere; returns their ids."""
        gone = {job_id_of(kind, run.run_id): (kind, run.run_id) for run in runs for kind in run.owes}
        missing = [job_id for job_id, (kind, _) in gone.items() if not self._is_somewhere(kind, job_id)]
        confirmed = self._owed.confirmed(missing)
        for job_id in confirmed:
            kind, run_id = gone[job_id]
            self._queues.add(kind, run_id)
            log.get("sweep").warning("a job that a run lives by was gone: enqueued anew", job_id=job_id)
        return confirmed

    def _name(self, kind: JobKind, entry: str) -> str:
        return f"{QUEUE_OF[kind]}/{entry}"

    def _lost(self, kind: JobKind) -> set[str]:
        """Entries of silent workers: started jobs (``job:execution``), and taken but not started (``job``)."""
        queue = self._queues.queue(kind)
        started = self._started(queue)
        started_jobs = {entry.partition(":")[0] for entry in started}
        taken = {job_id for job_id in queue.intermediate_queue.get_job_ids() if job_id not in started_jobs}
        return liveness.silent(self._connection, started) | taken

    def _started(self, queue: Queue) -> list[str]:
        stored = cast("list[bytes]", self._connection.zrange(queue.started_job_registry.key, 0, -1))
        return [entry.decode() for entry in stored]

    def _put_back(self, kind: JobKind, entry: str) -> bool:
        queue = self._queues.queue(kind)
        job_id, _, execution_id = entry.partition(":")
        started, taken = queue.started_job_registry.key, queue.intermediate_queue.key

        def body(pipe: "Pipeline") -> bool:
            still_there = pipe.zscore(started, entry) if execution_id else pipe.lpos(taken, job_id)
            if still_there is None:
                return False
            job = _fetch(queue, job_id)
            pipe.multi()
            pipe.zrem(started, entry)
            pipe.lrem(taken, 1, job_id)
            if job is not None:
                job.set_status(JobStatus.QUEUED, pipeline=pipe)
                queue.push_job_id(job_id, pipeline=pipe, at_front=True)
            return job is not None

        transaction: Any = self._connection.transaction
        put_back = cast("bool", transaction(body, started, taken, value_from_callable=True))
        log.get("sweep").warning(
            "a worker died with this job: put back" if put_back else "a worker died with a job that cannot be read",
            job_id=job_id,
        )
        return put_back

    def _is_somewhere(self, kind: JobKind, job_id: str) -> bool:
        queue = self._queues.queue(kind)
        pipe = self._connection.pipeline(transaction=False)
        pipe.lpos(queue.key, job_id)
        pipe.lpos(queue.intermediate_queue.key, job_id)
        pipe.zscore(queue.scheduled_job_registry.key, job_id)
        pipe.zscore(queue.failed_job_registry.key, job_id)  # it failed for good: only a person can help
        started = any(entry.startswith(f"{job_id}:") for entry in self._started(queue))
        return started or any(place is not None for place in pipe.execute())


def _fetch(queue: Queue, job_id: str) -> Job | None:
    """The job, or None when it is gone or garbage: garbage that is put back would kill the next worker too."""
    try:
        return Job.fetch(job_id, connection=queue.connection, serializer=queue.serializer)
    except NoSuchJobError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
