"""What rq has on record of jobs that left their queue: taken by a worker, or started. Read here and nowhere else."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, cast

from rq import Queue
from rq.job import Job, JobStatus

if TYPE_CHECKING:
    from redis.client import Pipeline


def started(queue: Queue) -> list[str]:
    """Executions that began and did not end: ``job:execution``."""
    key = queue.started_job_registry.key
    stored = cast("list[bytes]", queue.connection.zrange(key, 0, -1))
    return _readable(stored, lambda entry: queue.connection.zrem(key, entry))


def taken(queue: Queue) -> list[str]:
    """Jobs that a worker has moved off the queue, and whose execution has not begun."""
    key = queue.intermediate_queue.key
    stored = cast("list[bytes]", queue.connection.lrange(key, 0, -1))
    began = {entry.partition(":")[0] for entry in started(queue)}
    return [
        name
        for name in _readable(stored, lambda entry: queue.connection.lrem(key, 0, cast("str", entry)))
        if name not in began
    ]


def is_started(queue: Queue, job_id: str) -> bool:
    """Whether an execution of this job began and did not end."""
    return any(entry.partition(":")[0] == job_id for entry in started(queue))


def exists(queue: Queue, job_id: str) -> bool:
    """Whether the job itself is still there."""
    return bool(queue.connection.exists(Job.key_for(job_id)))


def put_on(queue: Queue, job_id: str, pipe: "Pipeline", *, at_front: bool = False) -> None:
    """Put a job that exists on its queue, within a transaction."""
    pipe.hset(Job.key_for(job_id), "status", JobStatus.QUEUED.value)
    queue.push_job_id(job_id, pipeline=pipe, at_front=at_front)


def _readable(stored: Iterable[bytes], drop: Callable[[bytes], object]) -> list[str]:
    """As text; what is not text is no id of ours, and must not stop those who look."""
    names = []
    for entry in stored:
        try:
            names.append(entry.decode())
        except UnicodeDecodeError:
            drop(entry)
    return names
