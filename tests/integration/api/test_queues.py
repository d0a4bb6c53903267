"""The queues as people see them: how long the first job of each waits."""

from datetime import timedelta
from typing import Any

import pytest
from rq import Queue

from bringup.connections.redis_client import connect_redis
from bringup.model import utc_now
from bringup.settings import Settings
from bringup.tls import ClientContexts
from tests.integration.api.conftest import Api


@pytest.fixture
def boots(settings: Settings) -> Queue:
    """With a job that waits for a minute, and one that waits for a second."""
    queue = Queue("boots", connection=connect_redis(settings, ClientContexts(), name="test"))
    for job_id, waits_s in (("first", 60), ("second", 1)):
        job = queue.enqueue("workers.jobs.boot", job_id=job_id)
        job.enqueued_at = utc_now() - timedelta(seconds=waits_s)
        job.save()
    return queue


def oldest_s(api: Api, queue: str = "boots") -> Any:
    return next(one["oldest_s"] for one in api.ok("GET", "/queues")["queues"] if one["name"] == queue)


def test_a_queue_shows_for_how_long_its_first_job_waits(api: Api, boots: Queue) -> None:
    assert 60 <= oldest_s(api) < 600
    boots.connection.lpop(boots.key)
    assert 1 <= oldest_s(api) < 60
    assert oldest_s(api, "finishes") is None


@pytest.mark.parametrize(("written", "expected"), [("2999-01-01T00:00:00.0Z", 0), ("soon", None)])
def test_a_time_in_the_future_or_none_at_all_is_no_error(
    api: Api, boots: Queue, written: str, expected: float | None
) -> None:
    boots.connection.hset("rq:job:first", "enqueued_at", written)
    assert oldest_s(api) == expected


def test_a_job_of_another_type_hides_no_queue(api: Api, boots: Queue) -> None:
    boots.connection.delete("rq:job:first")
    boots.connection.set("rq:job:first", "no hash")
    assert oldest_s(api) is None
