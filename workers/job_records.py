"""What Redis holds of a job while it runs, and when it has ended.

A job is in one place after the other: on its queue, dequeued, started. One that is started stays among the dequeued
ones, too, until it ends: to take it out with the same command that starts it would need a script, and to do so in two
commands could lose it where Redis refuses the first. Who looks for lost jobs takes one that is started for started.

A lease is not even registered as started: it takes milliseconds as a rule, writes to no BMC, and done twice it is done
once. That its worker lives is seen by the marks of `workers.in_flight`, as of every execution.

Most jobs are all in their id. Such a one has no hash while it runs, and leaves none: a worker that takes its id after a
kill makes it anew. A job that is put on its queue again while it runs gets a new hash, which its end does not touch.
"""

from typing import TYPE_CHECKING

from rq.defaults import DEFAULT_RESULT_TTL
from rq.job import JobStatus
from rq.utils import utcformat

from bringup import model, queues

if TYPE_CHECKING:
    from datetime import datetime

    from redis.client import Pipeline
    from rq import Queue
    from rq.executions import Execution

    from workers.job import AllowedJob

# A job with a hash has succeeded, and nothing of it is kept: its hash is deleted, unless it was put on its queue or
# scheduled anew while it ran, as the boot job of a run that was given a boot slot at this very moment.
# KEYS: the job. ARGV: its status while it runs.
_DELETE = "if redis.call('HGET', KEYS[1], 'status') == ARGV[1] then redis.call('DEL', KEYS[1]) end"


def made_anew(queue: "Queue", job_id: str) -> bool:
    """Write the hash of a job again that is all in its id, and whose hash is gone; False: it is not."""
    run_id = queues.run_of(queue.name, job_id)
    if run_id is not None:
        kind = model.JobKind(job_id.rpartition("_")[2])
        queues.new_job(queue, kind, run_id, {"run_id": run_id}).save()
    return run_id is not None


def begin(job: "AllowedJob", queue: "Queue", execution: "Execution", until: int) -> None:
    """Record that a job is started.

    Args:
        job: as it was read.
        queue: that it was taken from.
        execution: of the job.
        until: seconds since 1970; rq's tools take it for failed then.
    """
    with queue.connection.pipeline(transaction=False) as pipe:
        if is_whole_in_id(job, queue):
            pipe.delete(job.key)
            job.is_stored = False
        elif not _kept_s(job):
            pipe.hset(job.key, "status", JobStatus.STARTED.value)
        if job.ended_at is not None:  # it has failed before, and would expire while it runs
            pipe.persist(job.key)
        if _is_registered(queue):
            pipe.zadd(queue.started_job_registry.key, {execution.composite_key: until})
        pipe.execute()


def succeed(job: "AllowedJob", queue: "Queue", execution: "Execution", at: "datetime") -> None:
    """Record that a job has succeeded.

    Args:
        job, queue, execution: as for `begin`.
        at: when it ended.
    """
    with queue.connection.pipeline(transaction=False) as pipe:
        if kept_s := _kept_s(job):
            pipe.hset(job.key, mapping={"status": JobStatus.FINISHED.value, "ended_at": utcformat(at)})
            pipe.expire(job.key, kept_s)
        elif job.is_stored:
            pipe.eval(_DELETE, 1, job.key, JobStatus.STARTED.value)
        end(job.id, queue, execution, pipe)
        pipe.execute()


def end(job_id: str, queue: "Queue", execution: "Execution", pipe: "Pipeline") -> None:
    """Take a job out of what is dequeued and started.

    Args:
        job_id, queue, execution: as for `begin`.
        pipe: sends it with others.
    """
    pipe.lrem(queue.intermediate_queue_key, 1, job_id)
    if _is_registered(queue):
        pipe.zrem(queue.started_job_registry.key, execution.composite_key)


def is_whole_in_id(job: "AllowedJob", queue: "Queue") -> bool:
    """Whether a job made anew from its id would be the same: nothing was counted, and it has not failed before."""
    run_id = queues.run_of(queue.name, job.id)
    is_plain = run_id is not None and job.func_name == f"workers.jobs.{job.id.rpartition('_')[2]}"
    return is_plain and job.kwargs == {"run_id": run_id} and not (job.meta or job.number_of_retries or job.ended_at)


def _is_registered(queue: "Queue") -> bool:
    return queue.name != queues.QUEUE_OF[model.JobKind.DISCOVER]


def _kept_s(job: "AllowedJob") -> int:
    return max(0, job.get_result_ttl(DEFAULT_RESULT_TTL) or 0)
