"""Leases on their queue: many in one transaction, each once, and known again by the record that they were read from."""

from typing import TYPE_CHECKING

import pytest
from redis.exceptions import ResponseError

from bringup import keys
from bringup.connections.redis_client import connect_redis, redis_errors
from bringup.errors import RedisRefusesWrites
from bringup.lease_jobs import LeaseRecord, RecordReader
from bringup.model import JobKind, LeaseEvent
from bringup.queues import Queues, new_job
from bringup.redis_acl import ROLES
from bringup.tls import ClientContexts
from tests.conftest import MakeSettings, RedisServer

if TYPE_CHECKING:
    from redis import Redis


def lease(number: int, record: int = 0) -> LeaseRecord:
    fields = {"mac": f"02:00:00:00:00:{number:02x}", "ip": f"10.0.0.{number}", "hostname": f"host{number}"}
    event = {**fields, "action": "assigned", "starts": "2026-11-23T09:45:08Z", "source": "jsonl"}
    return LeaseRecord(LeaseEvent.model_validate(event), record)


def test_leases_are_queued_in_their_order_and_each_once(redis: "Redis") -> None:
    queues = Queues(redis)
    assert queues.add_leases([lease(1), lease(2), lease(1)]) == [True, True, False]
    assert queues.add_leases([lease(3), lease(2)]) == [True, False]
    assert queues.queue(JobKind.DISCOVER).job_ids == [lease(n).event.run_id for n in (1, 2, 3)]


def test_a_job_has_the_fields_that_rq_gives_it_and_names_its_record(redis: "Redis") -> None:
    queues = Queues(redis)
    queue, event = queues.queue(JobKind.DISCOVER), lease(2).event
    queues.add_leases([lease(1), LeaseRecord(event, 7)], RecordReader("a", "b"))
    ours = redis.hgetall(f"rq:job:{event.run_id}")
    redis.flushdb()
    kwargs = {"lease": event.model_dump(mode="json", exclude_none=True)}
    queue.enqueue_job(new_job(queue, JobKind.DISCOVER, event.run_id, kwargs), unique=True)
    of_rq = redis.hgetall(f"rq:job:{event.run_id}")
    assert ours.pop(b"record") == b"a:b:7"
    times = {b"created_at", b"enqueued_at"}
    assert ours.keys() == of_rq.keys()
    assert {name for name in of_rq if ours[name] != of_rq[name]} <= times
    assert redis.smembers("rq:queues") == {b"rq:queue:leases"}


def test_a_lease_that_is_there_for_the_same_record_is_new(redis: "Redis") -> None:
    """The reply was lost: redis-py repeats the call."""
    queues, reader = Queues(redis), RecordReader("a", "b")
    assert queues.add_leases([lease(1, 1), lease(2, 2)], reader) == [True, True]
    assert queues.add_leases([lease(1, 1), lease(2, 3)], reader) == [True, False]
    assert queues.add_leases([lease(1, 1)]) == [False]
    assert queues.queue(JobKind.DISCOVER).count == 2


def test_a_lease_that_its_reader_queued_before_it_was_killed_is_new_once_and_only_if_it_was_not_counted(
    redis: "Redis",
) -> None:
    queues = Queues(redis)
    assert queues.add_leases([lease(1, 1), lease(2, 2), lease(3, 3)], RecordReader("a", "b")) == [True] * 3
    again = RecordReader("a", "c", counted=1)
    # A file that was written anew meanwhile gives them in another order.
    assert queues.add_leases([lease(3, 2), lease(1, 3), lease(2, 4)], again) == [True, False, True]
    assert queues.add_leases([lease(3, 5), lease(2, 6)], again) == [False, False]
    assert queues.add_leases([lease(3, 2), lease(2, 3)], RecordReader("a", "d", counted=1)) == [True, True]
    assert queues.add_leases([lease(3, 2), lease(2, 3)], RecordReader("x", "y")) == [False, False]
    assert queues.queue(JobKind.DISCOVER).count == 3


def test_where_nothing_is_new_the_barrier_is_written_for_the_replicas_to_confirm(redis: "Redis") -> None:
    Queues(redis).add_leases([lease(1)])
    assert not redis.exists(keys.BARRIER)
    Queues(redis).add_leases([lease(1)])
    assert redis.exists(keys.BARRIER)


@pytest.mark.parametrize("lacks", ["", " hget"])
def test_the_user_of_a_tailer_may_do_it_and_with_the_rights_of_an_older_version_counts_duplicates(
    redis: "Redis", shared_redis: RedisServer, make_settings: MakeSettings, lacks: str
) -> None:
    role = ROLES["tailer"]
    rights = [f"+{command}" for command in role.commands.replace(lacks, "").split()]
    redis.execute_command("ACL", "SETUSER", "t", "reset", "on", ">of-t", *role.keys, *rights)  # type: ignore[no-untyped-call]
    settings = make_settings(redis_port=shared_redis.port, redis_username="t", redis_password="of-t")
    connection = connect_redis(settings, ClientContexts(), name="test")
    try:
        queues = Queues(connection)
        assert queues.add_leases([lease(1, 1)], RecordReader("a", "b")) == [True]
        assert queues.add_leases([lease(1, 1), lease(2, 2)], RecordReader("a", "c")) == [not lacks, True]
    finally:
        connection.close()
        redis.acl_deluser("t")


def test_where_the_queue_is_of_another_type_no_job_is_left_without_a_place_on_it(redis: "Redis") -> None:
    redis.set("rq:queue:leases", "x")
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        Queues(redis).add_leases([lease(1)])
    assert redis.keys("rq:job:*") == []


def test_a_redis_that_is_full_refuses_all_of_them(
    redis: "Redis", shared_redis: RedisServer, make_settings: MakeSettings
) -> None:
    redis.config_set("maxmemory", 1)
    try:
        with pytest.raises(RedisRefusesWrites), redis_errors(make_settings(redis_port=shared_redis.port)):
            Queues(redis).add_leases([lease(1), lease(2)])
    finally:
        redis.config_set("maxmemory", 0)
    assert redis.keys("*") == []
    assert Queues(redis).add_leases([lease(1), lease(2)]) == [True, True]
