"""Delayed jobs: what rq has scheduled goes to its queue when its time has come.

rq's own scheduler is a forked process that guards each queue by a lock of a minute; a killed worker would
stop all retries for that long. Here each job moves in one transaction, so any number of processes may do it.
What is due is decided by Redis's clock, by which the API and the workers have scheduled it.
"""

from typing import TYPE_CHECKING, Any, cast

from rq import Queue

from bringup.connections.redis_client import redis_now
from bringup.model import JobKind
from bringup.queues import Queues
from workers import in_flight

if TYPE_CHECKING:
    from redis import Redis
    from redis.client import Pipeline


def enqueue_due(connection: "Redis", queues: Queues) -> int:
    """Move every job whose time has come; returns how many this call has moved."""
    moved = 0
    now = int(redis_now(connection).timestamp())
    for kind in JobKind:
        queue = queues.queue(kind)
        for job_id in queue.scheduled_job_registry.get_jobs_to_schedule(now):
            moved += _move(connection, queue, job_id)
    return moved


def _move(connection: "Redis", queue: Queue, job_id: str) -> bool:
    registry = queue.scheduled_job_registry

    def body(pipe: "Pipeline") -> bool:
        if pipe.zscore(registry.key, job_id) is None:
            return False  # another process was quicker
        is_there = in_flight.exists(queue, job_id)
        pipe.multi()
        registry.remove(job_id, pipeline=pipe)
        if is_there:
            in_flight.put_on(queue, job_id, pipe)
        return is_there

    transaction: Any = connection.transaction
    return cast("bool", transaction(body, registry.key, value_from_callable=True))
