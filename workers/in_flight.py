"""Jobs that are in no queue: taken by a worker, or started.

rq keeps these in registries of its own; they are read here and nowhere else. Which executions are alive is a registry
of ours: each process marks all of its executions every second or two. Only Redis's clock is used, so that hosts need
not agree about the time.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

from rq import Queue
from rq.job import Job, JobStatus

from bringup import errors, keys, model
from bringup.connections.redis_client import is_wrong_type, redis_now
from bringup.queues import Queues

if TYPE_CHECKING:
    from redis import Redis
    from redis.client import Pipeline

_Result = TypeVar("_Result")

# Seconds between two marks of one process. Together with SILENT_AFTER_S: three marks may be lost or late.
BEAT_EVERY_S = 1.5
# Seconds after its last mark until an execution counts as dead. With the seconds for which the reaper must see it so,
# a killed worker's job is requeued about 10 s after its death: what it sent to a BMC cannot arrive any more by then
# (PERMIT_S and ARRIVAL_S of `bringup.wire`).
SILENT_AFTER_S = 6.0
# Seconds for which marks are kept: long after any reader wants them, short enough that the set stays small.
_FORGET_AFTER_S = 3600


def each_queue(step: Callable[[model.JobKind], object]) -> errors.CorruptRecord | None:
    """Take ``step`` for every kind of job. What is wrong with the keys of one queue is returned, and stops no other."""
    corrupt = None
    for kind in model.JobKind:
        try:
            step(kind)
        except errors.CorruptRecord as error:
            corrupt = error
    return corrupt


@contextmanager
def type_checked(key: str) -> Iterator[None]:
    """A block that reads ``key``. Raises CorruptRecord when Redis holds another type under it."""
    try:
        yield
    except Exception as error:
        if not is_wrong_type(error):
            raise
        raise errors.CorruptRecord(
            f"the key {key} in Redis is of another type than rq's: its jobs wait until it is renamed or deleted"
        ) from error


def any_started(connection: "Redis", queues: Queues) -> bool:
    """Whether a job of any queue is dequeued or started: one command, however many queues there are."""
    each = [queues.queue(kind) for kind in model.JobKind]
    places = [key for queue in each for key in (queue.started_job_registry.key, queue.intermediate_queue.key)]
    return bool(connection.exists(*places))


def started(queue: Queue) -> list[str]:
    """Executions that began and did not end: ``job:execution``. Raises CorruptRecord."""
    key = queue.started_job_registry.key
    with type_checked(key):
        stored = cast("list[bytes]", queue.connection.zrange(key, 0, -1))
    return _readable(stored, lambda entry: queue.connection.zrem(key, entry))


def dequeued(queue: Queue, executions: Iterable[str] | None = None) -> list[str]:
    """Jobs that a worker has moved off the queue, and whose execution has not begun. Raises CorruptRecord.

    Args:
        queue: of the jobs.
        executions: that have begun, where they were read just now.
    """
    key = queue.intermediate_queue.key
    with type_checked(key):
        stored = cast("list[bytes]", queue.connection.lrange(key, 0, -1))
    if not stored:
        return []
    began = {entry.partition(":")[0] for entry in (started(queue) if executions is None else executions)}
    return [
        name
        for name in _readable(stored, lambda entry: queue.connection.lrem(key, 0, cast("str", entry)))
        if name not in began
    ]


def is_started(queue: Queue, job_id: str) -> bool:
    """Whether an execution of this job began and did not end."""
    return any(entry.partition(":")[0] == job_id for entry in started(queue))


class Places(NamedTuple):
    """Where jobs are at one moment, by their ids."""

    waiting_or_running: set[str]
    failed: set[str]


def places(connection: "Redis", queues: Queues, kinds: Iterable[model.JobKind]) -> Places:
    """Where the jobs of these kinds are: five commands a kind, however many jobs there are.

    A key of another type holds no job: it must not hide where all the others are.

    Args:
        connection: to Redis.
        queues: of the jobs.
        kinds: of jobs, each of which has a queue of its own.
    """
    each = [queues.queue(kind) for kind in kinds]
    lists = [key for queue in each for key in (queue.key, queue.intermediate_queue.key)]
    registries = [queue.scheduled_job_registry.key for queue in each] + [q.started_job_registry.key for q in each]
    # A transaction, or a job that moves from one place to the next meanwhile would seem to be nowhere.
    with connection.pipeline(transaction=True) as pipe:
        for key in lists:
            pipe.lrange(key, 0, -1)
        for key in (*registries, *(queue.failed_job_registry.key for queue in each)):
            pipe.zrange(key, 0, -1)
        replies = [_entries(reply) for reply in pipe.execute(raise_on_error=False)]
    found = [{entry.decode(errors="replace").partition(":")[0] for entry in ids} for ids in replies]
    alive = len(lists) + len(registries)
    return Places(set().union(*found[:alive]), set().union(*found[alive:]))


def _entries(reply: "list[bytes] | Exception") -> list[bytes]:
    if not isinstance(reply, Exception):
        return reply
    if not is_wrong_type(reply):
        raise reply
    return []


def has_hash(queue: Queue, job_id: str) -> bool:
    """Whether Redis has more of a job than its id."""
    return bool(queue.connection.exists(Job.key_for(job_id)))


def requeue(queue: Queue, job_id: str, pipe: "Pipeline", *, is_stored: bool, at_front: bool = False) -> None:
    """Put a job back on its queue.

    Args:
        queue: the job's queue.
        job_id: of the job.
        pipe: the transaction that takes it from where it was.
        is_stored: whether it has a hash.
        at_front: whether it is the next to run.
    """
    if is_stored:
        pipe.hset(Job.key_for(job_id), "status", JobStatus.QUEUED.value)
    queue.push_job_id(job_id, pipeline=pipe, at_front=at_front)


def _readable(stored: Iterable[bytes], drop: Callable[[bytes], object]) -> list[str]:
    """As text; what is not text is no id of ours, and must not stop those who read the rest."""
    names = []
    for entry in stored:
        try:
            names.append(entry.decode())
        except UnicodeDecodeError:
            drop(entry)
    return names


def beat(connection: "Redis", executions: Iterable[str]) -> None:
    """Mark ``executions`` as alive now."""
    names = list(executions)
    if not names:
        return
    now = redis_now(connection).timestamp()
    connection.zadd(keys.EXECUTIONS, cast("dict[Any, float]", dict.fromkeys(names, now)))
    connection.zremrangebyscore(keys.EXECUTIONS, 0, now - _FORGET_AFTER_S)


def silent(connection: "Redis", executions: Iterable[str]) -> set[str]:
    """Those of ``executions`` that no process has marked lately."""
    names = list(executions)
    if not names:
        return set()
    now = redis_now(connection).timestamp()
    seen = connection.zmscore(keys.EXECUTIONS, names)
    return {name for name, at in zip(names, seen, strict=True) if at is None or abs(now - at) > SILENT_AFTER_S}


def abandoned(queue: Queue, executions: Iterable[str] | None = None) -> set[str]:
    """Jobs that are dequeued, whose execution is neither registered nor marked as alive.

    Args:
        queue: of the jobs.
        executions: that are registered, where they were read just now.

    Raises:
        CorruptRecord: a key is of another type.
    """
    names = set(dequeued(queue, executions))
    if not names:
        return names
    now = redis_now(queue.connection).timestamp()
    marked = queue.connection.zrangebyscore(keys.EXECUTIONS, now - SILENT_AFTER_S, now + SILENT_AFTER_S)
    return names - {entry.decode(errors="replace").partition(":")[0] for entry in cast("list[bytes]", marked)}


def transaction(connection: "Redis", body: "Callable[[Pipeline], _Result]", *watched: str) -> _Result:
    """What ``body`` returns, after what it queued has been done, all of it and while ``watched`` keys did not change.

    Args:
        connection: to Redis.
        body: reads, calls ``multi`` and queues; called again when a watched key has changed meanwhile.
        watched: keys.
    """
    run: Any = connection.transaction
    return cast("_Result", run(body, *watched, value_from_callable=True))
