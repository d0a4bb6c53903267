"""The queues: which job goes where, under which id, and how it gets there.

Jobs are JSON, never pickle: a client that can write to Redis must not be able to run code in the workers. They name a
function by its dotted path, which `workers.job` looks up in an allow-list and never imports.
"""

import zlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from rq import Queue
from rq.job import Job, JobStatus
from rq.serializers import JSONSerializer

from bringup import keys, model

if TYPE_CHECKING:
    from redis import Redis
    from redis.client import Pipeline

# rq moves a job atomically only for a worker that listens on one queue, so each kind has a queue of its own.
QUEUE_OF = {
    model.JobKind.DISCOVER: "leases",
    model.JobKind.BOOT: "boots",
    model.JobKind.FINISH: "finishes",
    model.JobKind.EXPIRE: "deadlines",
}
FUNCTION_OF = {kind: f"workers.jobs.{kind.value}" for kind in model.JobKind}

# Seconds that the hash of a job is kept. While that of a lease exists, the same lease is recognised without asking the
# API; later the API is asked, and answers the same.
DISCOVER_KEPT_S = 24 * 3600
# Of all other jobs nothing is kept: the timeline of the run shows what they did, for RUN_KEEP_DAYS.
RESULT_KEPT_S = 0
# A job that fails has met a bug, as a rule: its traceback waits for an operator who was away for a week.
FAILURE_KEPT_S = 7 * 24 * 3600
# Above every bound that a job has by itself (a BMC's tries, tasks and waits), so that only one that hangs meets it.
JOB_TIMEOUT_S = 3600
# Puts leases on their queue whose jobs are not there yet. One script: between a look and a write of its own, another
# tailer could add the same lease. The queue is written first: were it of another type, no job would be left without a
# place on it. Where nothing is new the barrier is written, so that there is what the replicas confirm. HGET may be
# forbidden, by a users.acl of an older version: then a lease that is there is a duplicate.
# KEYS: the queue, rq's set of queues, the barrier, the job of each lease. ARGV: name, start and counted of the reader,
# how many arguments all jobs share, these, and then for each lease job id, number, description and data.
_ADD_LEASES = """
local reader, start, counted, shared = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local fields, found, ids, new, seen = {unpack(ARGV, 5, shared + 4)}, {}, {}, {}, {}
local function is_of_this_record(key, record)
    local known = redis.pcall('HGET', key, 'record')
    if known == record or type(known) ~= 'string' then
        return known == record
    end
    local by, at, number = string.match(known, '^(.-):(.-):(%d+)$')
    if by ~= reader or at == start or tonumber(number) <= counted then
        return false
    end
    redis.call('HSET', key, 'record', record)
    return true
end
for i = 4, #KEYS do
    local at = shared + 5 + 4 * (i - 4)
    local record = reader .. ':' .. start .. ':' .. ARGV[at + 1]
    if seen[KEYS[i]] then
        found[i - 3] = 0
    elseif redis.call('EXISTS', KEYS[i]) == 1 then
        found[i - 3] = reader ~= '' and is_of_this_record(KEYS[i], record) and 1 or 0
    else
        found[i - 3], ids[#ids + 1], new[#new + 1] = 1, ARGV[at], {KEYS[i], at, record}
    end
    seen[KEYS[i]] = true
end
if #new == 0 then
    redis.call('SET', KEYS[3], 1)
    return found
end
redis.call('RPUSH', KEYS[1], unpack(ids))
redis.call('SADD', KEYS[2], KEYS[1])
for _, job in ipairs(new) do
    local at = job[2]
    fields[shared + 1], fields[shared + 2] = 'record', job[3]
    fields[shared + 3], fields[shared + 4] = 'description', ARGV[at + 2]
    fields[shared + 5], fields[shared + 6] = 'data', ARGV[at + 3]
    redis.call('HSET', job[1], unpack(fields))
end
return found
"""
# Takes back a job that waits for its time. One that is on its queue by now, or runs, must keep its hash: without it the
# worker would have an id of nothing, and log a job that is lost.
# KEYS: what is scheduled, the job. ARGV: its id.
_CANCEL = "if redis.call('ZREM', KEYS[1], ARGV[1]) == 1 then redis.call('DEL', KEYS[2]) end"


class RecordReader(NamedTuple):
    """Who reads the records that leases come from, and counts them.

    Args:
        name: the same after a kill, and no other reader's; empty: nobody counts.
        start: names this start of it.
        counted: records that it had counted before this start. Leases of later ones that are there already were
            queued by itself, before it was killed, and are counted now.
    """

    name: str = ""
    start: str = ""
    counted: int = 0


_NOBODY = RecordReader()


class LeaseRecord(NamedTuple):
    """A lease, and the number of the record that it was read from, as its reader counts them."""

    event: model.LeaseEvent
    number: int = 0


def job_id_of(kind: model.JobKind, run_id: str) -> str:
    """The id of a run's job; for discover the run id itself, so that a repeated lease is one job."""
    return run_id if kind is model.JobKind.DISCOVER else f"{run_id}_{kind.value}"


class Queues:
    """All queues of bringup on one Redis connection."""

    def __init__(self, connection: "Redis") -> None:
        self._connection = connection
        self._queues = {kind: open_queue(name, connection) for kind, name in QUEUE_OF.items()}

    def queue(self, kind: model.JobKind) -> Queue:
        """The rq queue for jobs of ``kind``."""
        return self._queues[kind]

    def add_lease(self, event: model.LeaseEvent) -> bool:
        """Put a lease on its queue, once. False: it was there already."""
        return self.add_leases([LeaseRecord(event)])[0]

    def add_leases(self, leases: Sequence[LeaseRecord], reader: RecordReader = _NOBODY) -> list[bool]:
        """Put leases on their queue, each once, in one transaction. False: it was there already.

        One that the reader itself has queued for this record is new: the reply was lost, or it was killed meanwhile.
        """
        queue, now = self._queues[model.JobKind.DISCOVER], datetime.now(UTC)
        job = self._job(model.JobKind.DISCOVER, leases[0].event.run_id, {})
        job.origin, job.created_at, job.enqueued_at = queue.name, now, now
        own = [argument for lease in leases for argument in _own_fields(job, lease)]
        fields = {**job.to_dict(), "status": JobStatus.QUEUED.value}
        shared = [
            part for name, value in fields.items() if name not in {"data", "description"} for part in (name, value)
        ]
        jobs = [Job.key_for(lease.event.run_id) for lease in leases]
        places = [queue.key, Queue.redis_queues_keys, keys.BARRIER, *jobs]
        # A transaction, though a script is one already: a `ReplicatedRedis` waits for its replicas only after one.
        pipe = self._connection.pipeline(transaction=True)
        pipe.eval(_ADD_LEASES, len(places), *places, *reader, len(shared), *shared, *own)
        return [bool(new) for new in cast("list[int]", pipe.execute()[0])]

    def add(
        self, kind: model.JobKind, run_id: str, *, at: datetime | None = None, pipeline: "Pipeline | None" = None
    ) -> None:
        """Put a job on its queue.

        Args:
            at: when; None is now. A later call for the same job replaces the time.
            pipeline: inside it the job comes to be with the state change or not at all.
        """
        job, queue, pipe = self._job(kind, run_id, {"run_id": run_id}), self._queues[kind], pipeline
        if pipe is None:
            pipe = self._connection.pipeline(transaction=True)
        # As rq's enqueue_job() and schedule_job() write it, with two commands instead of four: see `register`.
        if at is None:
            job.enqueued_at = datetime.now(UTC)
            pipe.hset(job.key, mapping={**job.to_dict(), "status": JobStatus.QUEUED.value})
            pipe.rpush(queue.key, job.id)
        else:
            pipe.hset(job.key, mapping={**job.to_dict(), "status": JobStatus.SCHEDULED.value})
            pipe.zadd(keys.rq_scheduled(queue.name), {job.id: int(at.timestamp())})
        if pipeline is None:
            pipe.execute()

    def register(self) -> None:
        """Put all queues into rq's set of queues, by which its own tools find them. A worker does when it starts."""
        self._connection.sadd(keys.RQ_QUEUES, *(queue.key for queue in self._queues.values()))

    def cancel(self, kind: model.JobKind, run_id: str, pipeline: "Pipeline") -> None:
        """Delete a job that waits for its time; one whose time has come stays.

        Args:
            kind, run_id: of the job.
            pipeline: of the transaction after which nothing needs it.
        """
        job_id = job_id_of(kind, run_id)
        pipeline.eval(_CANCEL, 2, keys.rq_scheduled(QUEUE_OF[kind]), Job.key_for(job_id), job_id)

    def counted_by(self) -> dict[str, dict[str, tuple[str, str]]]:
        """Of every queue, by its name, the commands that count its jobs queued, started, scheduled and failed."""
        return {
            queue.name: {
                "queued": ("LLEN", queue.key),
                "started": ("ZCARD", queue.started_job_registry.key),
                "scheduled": ("ZCARD", queue.scheduled_job_registry.key),
                "failed": ("ZCARD", queue.failed_job_registry.key),
            }
            for queue in self._queues.values()
        }

    def _job(self, kind: model.JobKind, run_id: str, kwargs: dict[str, Any]) -> Job:
        return self._queues[kind].create_job(
            FUNCTION_OF[kind],
            kwargs=kwargs,
            job_id=job_id_of(kind, run_id),
            timeout=JOB_TIMEOUT_S,
            result_ttl=DISCOVER_KEPT_S if kind is model.JobKind.DISCOVER else RESULT_KEPT_S,
            failure_ttl=FAILURE_KEPT_S,
            description=f"{kind.value} {run_id}",
        )


def _own_fields(job: Job, lease: LeaseRecord) -> tuple[str, int, str, bytes]:
    """Id, number, description and data of a lease's job. ``job`` serves all of them: making one takes longest."""
    run_id = lease.event.run_id
    job.kwargs = {"lease": lease.event.model_dump(mode="json", exclude_none=True)}
    return run_id, lease.number, f"{model.JobKind.DISCOVER.value} {run_id}", zlib.compress(job.data)


def open_queue(name: str, connection: "Redis") -> Queue:
    """The rq queue ``name``, with our serializer."""
    return Queue(name, connection=connection, serializer=JSONSerializer)
