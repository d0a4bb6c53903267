"""What a job costs at Redis: how often a worker waits for an answer, and for how many commands."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import get_ident
from typing import Any

import pytest
from redis import Redis

from bringup import tls
from bringup.connections.redis_client import connect_redis
from bringup.connections.redis_transport import PlainConnection
from bringup.model import JobKind
from bringup.queues import Queues
from tests.conftest import MakeSettings, RedisServer
from workers.deadlines import Deadlines
from workers.job import job_class
from workers.worker import QueueWorker

JOBS = 10
# BLMOVE and HGETALL; a script of HSET, ZADD and LREM; another one of HGET, DEL and ZREM.
ROUND_TRIPS = 4
COMMANDS = 10
# HSET and RPUSH, in a transaction.
TO_ENQUEUE = 4


class Counts:
    """What a worker has sent, and what Redis has executed."""

    sent = 0
    commands = 0


@contextmanager
def counted(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> Iterator[Counts]:
    """Counted in the block, without the INFO that asks Redis, and without what other threads of this process send."""
    counts, ours = Counts(), get_ident()

    def executed() -> int:
        return int(redis.info("stats")["total_commands_processed"])

    def send(connection: PlainConnection, *args: object, **more: object) -> object:
        counts.sent += get_ident() == ours
        return unpatched(connection, *args, **more)

    unpatched: Any = PlainConnection.send_packed_command
    before = executed()
    monkeypatch.setattr(PlainConnection, "send_packed_command", send)
    yield counts
    monkeypatch.setattr(PlainConnection, "send_packed_command", unpatched)
    counts.commands = executed() - before - 1


def test_a_job_costs_four_round_trips_and_ten_commands(
    make_settings: MakeSettings, own_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = make_settings(redis_port=own_redis.port)
    redis = connect_redis(settings, tls.ClientContexts(), name="tests")
    queues = Queues(redis)
    queue = queues.queue(JobKind.BOOT)
    done: list[str] = []
    functions = {"workers.jobs.boot": lambda _task, run_id: done.append(run_id)}
    worker = QueueWorker(
        {JobKind.BOOT: queue},
        settings,
        name="tests",
        deadlines=Deadlines(),
        connection=redis,
        job_class=job_class(settings, functions),
        serializer=queue.serializer,
    )
    queues.add(JobKind.BOOT, "02-00-00-00-00-01-1700000000")  # which also connects
    with counted(redis, monkeypatch) as added:
        for number in range(JOBS):
            queues.add(JobKind.BOOT, f"02-00-00-00-00-01-{1_700_000_001 + number}")
    assert (added.sent, added.commands) == (JOBS, JOBS * TO_ENQUEUE)

    def work_once() -> None:
        found = worker.next_job(JobKind.BOOT)
        assert found
        worker.execute_job(*found)

    work_once()  # which also connects
    with counted(redis, monkeypatch) as counts:
        for _ in range(JOBS):
            work_once()
    assert len(done) == JOBS + 1
    assert counts.sent <= JOBS * ROUND_TRIPS
    assert counts.commands <= JOBS * COMMANDS
