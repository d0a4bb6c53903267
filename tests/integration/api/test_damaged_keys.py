"""Keys in Redis that something else has overwritten: what the API answers, and that no change is lost."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from api.state.run_secrets import token_digest
from bringup import keys
from bringup.connections.redis_client import connect_redis
from bringup.settings import Settings
from bringup.tls import ClientContexts
from tests.integration.api.conftest import RUN_A, RUN_B, Api

if TYPE_CHECKING:
    from redis import Redis

# Of each kind one: text, what Python reads as a number and Redis does not, what Redis cannot add to, other types.
STRINGS = ("x", "", "1.5", "-5", "+7", " 7", "1_0", str(2**63 - 1), str(2**53 + 3), "9" * 5000, b"\xff\xfe")
OTHER_TYPES: dict[str, Callable[[Any, str], object]] = {
    "list": lambda redis, key: redis.rpush(key, "1"),
    "hash": lambda redis, key: redis.hset(key, "a", "1"),
    "set": lambda redis, key: redis.sadd(key, "1"),
    "zset": lambda redis, key: redis.zadd(key, {"a": 1}),
}


@pytest.fixture
def redis(settings: Settings) -> "Redis":
    return connect_redis(settings, ClientContexts(), name="test")


def overwrite(redis: "Redis", key: str, value: str | bytes) -> None:
    redis.delete(key)
    if isinstance(value, str) and value in OTHER_TYPES:
        OTHER_TYPES[value](redis, key)
    else:
        redis.set(key, value)


def last(api: Api) -> int:
    return int(api.ok("GET", "/changes")["newest"])


@pytest.mark.parametrize("value", [*STRINGS, *OTHER_TYPES])
def test_nothing_is_decided_until_a_change_number_that_is_none_is_replaced(
    api: Api, redis: "Redis", value: str | bytes
) -> None:
    api.booted()
    before = last(api)
    overwrite(redis, keys.CHANGE_NUMBER, value)
    paths = ("/devices", "/devices/a", "/runs", "/changes", "/changes/snapshot", "/metrics")
    answers = [api.lease(RUN_B), *(api.call("GET", path) for path in paths)]
    assert {answer.status_code for answer in answers} <= {200, 503}
    assert answers[0].status_code == 503
    assert "a record in Redis cannot be read" in answers[0].json["detail"]
    assert api.call("GET", "/ready").status_code == 200, "each host looks so, every few seconds"
    assert last(api) == before
    assert api.lease(RUN_B).json["decision"] == "start"
    assert last(api) > before


@pytest.mark.parametrize("value", [*STRINGS, *OTHER_TYPES])
def test_a_change_meets_a_number_that_is_none_and_gets_the_next_one(
    api: Api, redis: "Redis", value: str | bytes
) -> None:
    token = api.booted()
    before = last(api)
    overwrite(redis, keys.CHANGE_NUMBER, value)
    assert api.call("POST", f"/runs/{RUN_A}/report", api.report(), token=token).status_code == 202
    page = api.ok("GET", f"/changes?since={before}")
    numbers = [int(change["id"]) for change in page["changes"]]
    assert numbers
    assert numbers == list(range(before + 1, int(page["newest"]) + 1))
    assert api.call("GET", "/ready").status_code == 200


def test_where_the_feed_is_gone_too_a_loss_is_found(api: Api, redis: "Redis") -> None:
    api.booted()
    overwrite(redis, keys.CHANGE_NUMBER, "x")
    redis.delete(keys.CHANGES)
    assert "lost" in str(api.call("GET", "/ready").json["withheld"])
    assert api.lease(RUN_B).json["decision"] == "audit_only"


def test_the_log_names_the_change_number_that_was_replaced(api: Api, redis: "Redis") -> None:
    api.lease()
    overwrite(redis, keys.CHANGE_NUMBER, "x")
    with capture_logs() as lines:
        api.call("GET", "/ready")
    assert keys.CHANGE_NUMBER in [line.get("key") for line in lines]


def test_the_log_names_the_change_number_that_a_call_met(api: Api, redis: "Redis") -> None:
    overwrite(redis, keys.CHANGE_NUMBER, "x")
    with capture_logs() as lines:
        assert api.call("GET", "/runs").status_code == 503
    assert f"another type under {keys.CHANGE_NUMBER}" in str(lines)


@pytest.mark.parametrize("value", [*STRINGS, *OTHER_TYPES])
def test_a_wrong_token_is_refused_as_such_whatever_its_counter_holds(
    api: Api, redis: "Redis", value: str | bytes
) -> None:
    api.booted()
    overwrite(redis, keys.refused(RUN_A), value)
    assert api.call("POST", f"/runs/{RUN_A}/heartbeat", {}, token="x" * 43).status_code == 401


@pytest.mark.parametrize("value", ["x", "9" * 5000, b"\xff", "list"])
@pytest.mark.parametrize("key", [keys.ended_runs("passed", ""), keys.durations("run", "passed", "60")])
def test_the_metrics_are_shown_whatever_a_counter_of_an_earlier_version_holds(
    api: Api, redis: "Redis", key: str, value: str | bytes
) -> None:
    overwrite(redis, key, value)
    assert api.call("GET", "/metrics").status_code == 200


@pytest.mark.parametrize("value", list(OTHER_TYPES))
def test_a_report_that_met_counters_of_another_type_is_on_record_when_it_is_posted_again(
    api: Api, redis: "Redis", value: str
) -> None:
    token, report = api.booted(), api.report()
    overwrite(redis, keys.COUNTERS, value)
    first = api.call("POST", f"/runs/{RUN_A}/report", report, token=token)
    assert first.status_code == 503
    assert api.call("POST", f"/runs/{RUN_A}/report", report, token=token).status_code == 200
    assert api.run()["state"] == "passed"


def test_the_log_names_the_key_of_another_type(api: Api, redis: "Redis") -> None:
    token = api.booted()
    overwrite(redis, keys.DEVICES, "list")
    overwrite(redis, keys.COUNTERS, "list")
    with capture_logs() as lines:
        assert api.call("GET", "/devices").status_code == 503
        assert api.call("POST", f"/runs/{RUN_A}/report", api.report(), token=token).status_code == 503
    assert keys.DEVICES in str(lines)
    assert keys.COUNTERS in str(lines)


def test_an_installation_that_is_no_text_withholds_until_it_is_accepted(api: Api, redis: "Redis") -> None:
    api.lease()
    overwrite(redis, keys.INSTALLATION, b"\xff\xfe")
    assert api.call("GET", "/ready").status_code == 503
    assert api.lease(RUN_B).json["decision"] == "audit_only"
    api.client.application.extensions["bringup"].installation.accept()
    assert api.call("GET", "/ready").status_code == 200


@pytest.mark.parametrize(
    "key",
    [
        *(keys.RUNS, keys.OPEN_RUNS, keys.BOOTING_RUNS, keys.WAITING_RUNS, keys.RUN_CLASSES),
        *(keys.DEVICES, keys.DEVICE_CLASSES, keys.COUNTERS),
    ],
)
def test_an_api_is_not_ready_while_a_key_that_it_needs_is_of_another_type(api: Api, redis: "Redis", key: str) -> None:
    api.booted()
    assert api.call("GET", "/ready").json["problems"] == []
    overwrite(redis, key, "hash")
    answer = api.call("GET", "/ready")
    assert answer.status_code == 503
    assert [key in problem for problem in answer.json["problems"]] == [True]


@pytest.mark.parametrize("value", ["x", "", "null", "9" * 5000, b"\xff"])
def test_a_histogram_with_a_field_that_is_no_number_is_counted_and_shown(
    api: Api, redis: "Redis", value: str | bytes
) -> None:
    report = {"id": "a" * 32, "counts": [1] * 11, "sum_s": 1.0}
    api.ok("POST", "/bmc-requests", report)
    for name in (*redis.hkeys(keys.BMC_REQUESTS), b"\xff"):
        redis.hset(keys.BMC_REQUESTS, name, value)
    assert api.call("GET", "/metrics").status_code == 200
    assert api.ok("POST", "/bmc-requests", report | {"id": "b" * 32}) == {"counted": True}


@pytest.mark.parametrize("value", ["x", "", "null", "9" * 5000, b"\xff"])
def test_a_run_is_shown_whatever_size_of_an_artifact_is_on_record(api: Api, redis: "Redis", value: str | bytes) -> None:
    api.booted()
    for name in ("agent.log", b"\xff"):
        redis.hset(keys.artifact_sizes(RUN_A), name, value)
    assert api.run()["run_id"] == RUN_A


def test_a_token_whose_run_cannot_be_read_is_that_of_no_run(api: Api, redis: "Redis") -> None:
    token = api.booted()
    redis.set(keys.token_owner(token_digest(token)), b"\xff")
    assert api.call("POST", f"/runs/{RUN_A}/heartbeat", {}, token=token).status_code == 404


@pytest.mark.parametrize("key", [keys.LOSS, keys.CHANGES])
def test_a_change_number_that_can_be_read_is_kept_whatever_else_cannot(api: Api, redis: "Redis", key: str) -> None:
    api.booted()
    before = last(api)
    overwrite(redis, key, "zset")
    assert api.call("GET", "/ready").status_code == 503
    assert redis.get(keys.CHANGE_NUMBER) == str(before).encode()
