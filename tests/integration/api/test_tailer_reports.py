"""What a stolen tailer can write under the key of the reports does not fill the memory of who reads them."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from redis import Redis

from bringup import keys, tailers
from bringup.connections.redis_client import connect_redis, redis_now
from bringup.settings import Settings
from bringup.tls import ClientContexts


@pytest.fixture
def redis(settings: Settings) -> "Iterator[Redis]":
    made = connect_redis(settings, ClientContexts(), name="test")
    made.delete(keys.TAILERS)
    yield made
    made.delete(keys.TAILERS)


def report(redis: "Redis", host: str, **more: str) -> tailers.TailerReport:
    return tailers.TailerReport(host=host, source="kea-csv", path="/x", version="1", at=redis_now(redis), **more)  # type: ignore[arg-type]


def test_reports_are_read_by_host_and_file(redis: "Redis") -> None:
    for host in ("b", "a"):
        tailers.put_report(redis, report(redis, host))
    assert [one.host for one in tailers.reports(redis)[0]] == ["a", "b"]


def test_of_a_hundred_thousand_reports_a_bounded_number_is_read(redis: "Redis") -> None:
    text = report(redis, "x").model_dump_json()
    with redis.pipeline(transaction=False) as pipe:
        for start in range(0, 100_000, 10_000):
            pipe.hset(keys.TAILERS, mapping={f"{number}:x": text for number in range(start, start + 10_000)})
        pipe.execute()
    began = time.monotonic()
    assert len(tailers.reports(redis)[0]) == tailers.MOST_REPORTS
    assert time.monotonic() - began < 30


def test_a_report_of_ten_megabytes_is_not_read_and_hides_no_other(redis: "Redis") -> None:
    tailers.put_report(redis, report(redis, "a"))
    for number in range(5):
        redis.hset(keys.TAILERS, f"{number}", report(redis, "x", problem="y" * 10_000_000).model_dump_json())
    assert [one.host for one in tailers.reports(redis)[0]] == ["a"]


def test_with_an_acl_of_an_older_version_the_reports_are_read(redis: "Redis", settings: Settings) -> None:
    tailers.put_report(redis, report(redis, "a"))
    command: Any = redis.execute_command
    command(
        *("ACL", "SETUSER", "older", "on", ">older-password", "~bringup:*", "-@all"),
        *("+eval", "+hgetall", "+time", "+hello", "+client|setname", "+select", "+ping", "+auth"),
    )
    try:
        older = Redis(host=settings.redis_host, port=settings.redis_port, username="older", password="older-password")
        assert [one.host for one in tailers.reports(older)[0]] == ["a"]
    finally:
        command("ACL", "DELUSER", "older")
