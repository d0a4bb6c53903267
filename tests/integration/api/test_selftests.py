"""The daily self-test of each host, as the API keeps and shows it."""

from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from bringup import keys
from bringup.connections.redis_client import connect_redis
from bringup.settings import Settings
from bringup.tls import ClientContexts
from tests.integration.api.conftest import Api


def result(host: str = "w1", **changes: object) -> dict[str, Any]:
    return {"host": host, "passed": True, "verdict": "PASSED", "failed": [], "version": "1", **changes}


def metric(api: Api, name: str) -> dict[str, float]:
    """The samples of one metric, by host."""
    families = text_string_to_metric_families(api.call("GET", "/metrics").text)
    return {one.labels["host"]: one.value for family in families for one in family.samples if one.name == name}


def test_the_last_result_of_a_host_is_shown(api: Api) -> None:
    api.ok("POST", "/selftest", result())
    api.ok("POST", "/selftest", result(passed=False, verdict="FAILED", failed=["3b"]))
    (shown,) = api.ok("GET", "/selftest")["selftests"]
    assert (shown["host"], shown["passed"], shown["failed"]) == ("w1", False, ["3b"])


def test_a_failure_and_its_age_are_in_the_metrics(api: Api) -> None:
    api.ok("POST", "/selftest", result("w1"))
    api.ok("POST", "/selftest", result("w2", passed=False, verdict="FAILED", failed=["3b"]))
    assert metric(api, "bringup_selftest_passed") == {"w1": 1, "w2": 0}
    assert 0 <= metric(api, "bringup_selftest_age_seconds")["w1"] < 600


def test_a_name_that_is_none_is_refused(api: Api) -> None:
    assert api.call("POST", "/selftest", result("w1\n<b>")).status_code == 422


def test_a_machine_and_a_stranger_post_nothing(api: Api) -> None:
    assert api.call("POST", "/selftest", result(), "no-token-of-ours").status_code == 401


def test_a_worker_that_was_taken_over_cannot_fill_the_memory(api: Api, settings: Settings) -> None:
    api.ok("POST", "/selftest", result("w0"))
    redis = connect_redis(settings, ClientContexts(), name="test")
    text = str(redis.hget(keys.SELFTESTS, "w0"), "utf-8")  # type: ignore[arg-type]
    redis.hset(keys.SELFTESTS, mapping={f"x{n}": text for n in range(1000)})
    assert api.call("POST", "/selftest", result("one-more")).status_code == 429
    assert api.call("POST", "/selftest", result("w0")).status_code == 200
