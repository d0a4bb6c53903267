"""Jobs that are delayed until a time.

rq's own scheduler of delayed jobs is a forked process that guards each queue by a lock of a minute; a killed worker
would stop all retries for that long. Here each job moves in one transaction, so any number of processes may do it.
"""

from typing import TYPE_CHECKING

from rq import Queue

from bringup import model
from bringup.connections.redis_client import redis_now
from bringup.queues import QUEUE_OF, Queues, run_of
from workers import in_flight

if TYPE_CHECKING:
    from redis import Redis
    from redis.client import Pipeline


def enqueue_due(connection: "Redis", queues: Queues) -> int:
    """Move every delayed job whose time has come to its queue; returns how many this call has moved.

    Raises:
        CorruptRecord: a key of one queue is of another type; those of the others have been looked at.
    """
    registries = {kind: queues.queue(kind).scheduled_job_registry for kind in model.JobKind}
    if not connection.exists(*(registry.key for registry in registries.values())):
        return 0  # as nearly always on an idle site: one command, twice a second
    now, moved = int(redis_now(connection).timestamp()), list[bool]()

    def step(kind: model.JobKind) -> None:
        with in_flight.type_checked(registries[kind].key):
            due = registries[kind].get_jobs_to_schedule(now)
        moved.extend(_enqueue(connection, queues.queue(kind), job_id) for job_id in due)

    if corrupt := in_flight.each_queue(step):
        raise corrupt
    return sum(moved)


def _enqueue(connection: "Redis", queue: Queue, job_id: str) -> bool:
    registry = queue.scheduled_job_registry

    def body(pipe: "Pipeline") -> bool:
        if pipe.zscore(registry.key, job_id) is None:
            return False  # another process was quicker
        # A deadline may have been moved to a later time while its job ran, and has no hash then.
        is_stored = in_flight.has_hash(queue, job_id)
        is_deadline = queue.name == QUEUE_OF[model.JobKind.EXPIRE] and run_of(queue.name, job_id) is not None
        is_there = is_stored or is_deadline
        pipe.multi()
        registry.remove(job_id, pipeline=pipe)
        if is_there:
            in_flight.requeue(queue, job_id, pipe, is_stored=is_stored)
        return is_there

    # Without a transaction that watches the registry two processes would enqueue a job twice, and a process that is
    # killed between the two changes would lose it.
    return in_flight.transaction(connection, body, registry.key)
