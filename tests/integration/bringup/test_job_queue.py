"""Jobs of a run on their queues, written by two commands: as rq itself writes them by four."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from bringup import keys
from bringup.model import JobKind
from bringup.queues import QUEUE_OF, Queues, job_id_of, new_job

if TYPE_CHECKING:
    from redis import Redis

RUN_ID = "02-00-00-00-00-01-1767225600"
AT = datetime(2030, 1, 1, 12, 0, 0, 700_000, tzinfo=UTC)
TIMES = {b"created_at", b"enqueued_at"}


def stored(redis: "Redis", queues: Queues, kind: JobKind) -> tuple[dict[bytes, bytes], list[str], Any]:
    """The hash of the run's job, the ids on its queue, and those that wait for their time."""
    fields: Any = redis.hgetall(keys.rq_job(job_id_of(kind, RUN_ID)))
    return fields, queues.queue(kind).job_ids, redis.zrange(keys.rq_scheduled(QUEUE_OF[kind]), 0, -1, withscores=True)


@pytest.mark.parametrize("at", [None, AT], ids=["now", "at a time"])
def test_a_job_is_as_rq_itself_writes_it(redis: "Redis", at: datetime | None) -> None:
    kind, queues = JobKind.BOOT, Queues(redis)
    queues.add(kind, RUN_ID, at=at)
    fields, queued, scheduled = stored(redis, queues, kind)
    redis.flushdb()
    job = new_job(queues.queue(kind), kind, RUN_ID, {"run_id": RUN_ID})
    if at:
        queues.queue(kind).schedule_job(job, at)
    else:
        queues.queue(kind).enqueue_job(job)
    of_rq, queued_by_rq, scheduled_by_rq = stored(redis, queues, kind)
    assert (queued, scheduled) == (queued_by_rq, scheduled_by_rq)
    assert fields.keys() == of_rq.keys()
    assert {name for name in of_rq if fields[name] != of_rq[name]} <= TIMES


@pytest.mark.parametrize("at", [None, AT], ids=["now", "at a time"])
def test_a_job_is_written_by_two_commands_of_the_transaction_that_needs_it(redis: "Redis", at: datetime | None) -> None:
    queues, pipe = Queues(redis), redis.pipeline(transaction=True)
    queues.add(JobKind.FINISH, RUN_ID, at=at, pipeline=pipe)
    assert len(pipe) == 2
    assert redis.keys("*") == []
    pipe.execute()
    assert len(redis.keys("*")) == 2


def test_jobs_are_queued_in_their_order(redis: "Redis") -> None:
    queues, runs = Queues(redis), [f"02-00-00-00-00-0{n}-1767225600" for n in range(3)]
    for run_id in runs:
        queues.add(JobKind.BOOT, run_id)
    assert queues.queue(JobKind.BOOT).job_ids == [job_id_of(JobKind.BOOT, run_id) for run_id in runs]


def test_all_queues_are_named_where_the_tools_of_rq_look(redis: "Redis") -> None:
    Queues(redis).register()
    assert redis.smembers(keys.RQ_QUEUES) == {f"rq:queue:{name}".encode() for name in QUEUE_OF.values()}
