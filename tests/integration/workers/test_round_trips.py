"""What a job costs at Redis: how often a worker waits for an answer, and for how many commands."""

from collections.abc import Iterator
from contextlib import contextmanager

from redis import Redis

from bringup import tls
from bringup.connections.redis_client import connect_redis
from bringup.model import JobKind
from bringup.queues import Queues
from bringup.settings import Settings
from workers.job import job_class
from workers.worker import QueueWorker

JOBS = 10
# BLMOVE and HGETALL; HSET, PERSIST, ZADD and LREM in a transaction; HSET, EXPIRE, ZADD and ZREM in another one.
ROUND_TRIPS = 4
COMMANDS = 14


class Counts:
    """What Redis has counted in a block."""

    reads = 0
    commands = 0


@contextmanager
def counted(redis: Redis) -> Iterator[Counts]:
    """Redis's own counters, without the INFO that reads them."""
    counts = Counts()
    before = redis.info("stats")
    yield counts
    after = redis.info("stats")
    counts.reads = after["total_reads_processed"] - before["total_reads_processed"] - 1
    counts.commands = after["total_commands_processed"] - before["total_commands_processed"] - 1


def test_a_job_costs_four_round_trips_and_fourteen_commands(settings: Settings) -> None:
    redis = connect_redis(settings, tls.ClientContexts(), name="tests")
    queues = Queues(redis)
    queue = queues.queue(JobKind.BOOT)
    done: list[str] = []
    functions = {"workers.jobs.boot": lambda _task, run_id: done.append(run_id)}
    worker = QueueWorker(
        {JobKind.BOOT: queue},
        settings,
        name="tests",
        connection=redis,
        job_class=job_class(settings, functions),
        serializer=queue.serializer,
    )
    for number in range(JOBS + 1):
        queues.add(JobKind.BOOT, f"02-00-00-00-00-01-{1_700_000_000 + number}")

    def work_once() -> None:
        found = worker.next_job(JobKind.BOOT)
        assert found
        worker.execute_job(*found)

    work_once()  # which also asks for the version of the server
    with counted(redis) as counts:
        for _ in range(JOBS):
            work_once()
    assert len(done) == JOBS + 1
    assert counts.reads <= JOBS * ROUND_TRIPS
    assert counts.commands <= JOBS * COMMANDS
