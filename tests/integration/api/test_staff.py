"""What workers and operators may do, and that the rest is refused in one form."""

from collections.abc import Callable

import pytest
from redis import Redis

from bringup import tls
from bringup.connections.redis_client import connect_redis
from bringup.settings import Settings
from tests.conftest import MakeSettings, RedisServer
from tests.integration.api.conftest import EPOCH, RUN_A, Api


def test_health_names_the_service_to_anyone(api: Api) -> None:
    assert api.ok("GET", "/health", token=None)["service"] == "bringup-api"


def test_ready_says_so_to_anyone(api: Api) -> None:
    assert api.ok("GET", "/ready", token=None) == {"ready": True, "problems": []}


STAFF_CALLS = [
    ("GET", "/runs"),
    ("GET", f"/runs/{RUN_A}"),
    ("GET", f"/runs/{RUN_A}/report"),
    ("PUT", f"/runs/{RUN_A}"),
    ("POST", f"/runs/{RUN_A}/events"),
    ("POST", f"/runs/{RUN_A}/media"),
    ("POST", f"/runs/{RUN_A}/abort"),
    ("GET", "/devices"),
    ("GET", "/devices/a"),
    ("PATCH", "/devices/a"),
    ("POST", "/devices/a/runs"),
    ("GET", "/queues"),
    ("GET", "/services"),
]


@pytest.mark.parametrize(("method", "path"), STAFF_CALLS)
@pytest.mark.parametrize("authorization", [None, "Bearer", "Bearer wrong", "Basic YTpi", "bearer  "])
def test_nobody_without_the_token_gets_past_the_door(
    api: Api, method: str, path: str, authorization: str | None
) -> None:
    headers = {"Authorization": authorization} if authorization else {}
    answer = api.call(method, path, token=None, headers=headers, data=b"{" * 100)
    assert (answer.status_code, answer.mimetype) == (401, "application/problem+json")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_every_route_is_guarded_or_named_public(api: Api) -> None:
    public = {"/api/v1/health", "/api/v1/ready", "/api/v1/openapi.json", "/api/v1/crl", "/.well-known/est/cacerts"}
    machine = {"/api/v1/runs/<run_id>/heartbeat", "/api/v1/runs/<run_id>/report"}
    by_proof = {f"/api/v1/runs/<run_id>/{name}" for name in ("tls-failure", "trouble")}  # test_tls_failure.py
    by_address = {"/api/v1/images/<secret>/bringup-validation.iso"}  # tests/integration/api/test_images.py
    for rule in api.client.application.url_map.iter_rules():
        if rule.rule in public | by_proof | by_address:
            continue
        path = rule.rule.replace("<run_id>", RUN_A).replace("<name>", "a")
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            assert api.client.open(path, method=method).status_code == 401, (method, rule.rule, machine)


def test_an_event_out_of_turn_is_stale_and_on_the_timeline_as_not_applied(api: Api) -> None:
    api.lease()
    answer = api.tell(RUN_A, "powered_on")
    assert (answer.status_code, answer.json["type"]) == (409, "urn:bringup:stale")
    last = api.run()["timeline"][-1]
    assert (last["applied"], api.run()["state"]) == (False, "queued")


UNKNOWN_RUN = "02-00-00-00-00-77-1"


def test_a_report_that_has_not_come_is_no_unknown_run(api: Api) -> None:
    api.lease()
    answer = api.call("GET", f"/runs/{RUN_A}/report")
    assert (answer.status_code, answer.json["type"]) == (404, "urn:bringup:unknown_report")
    assert answer.json["detail"] == f"the run '{RUN_A}' has no report"


def test_an_event_of_an_unknown_run_is_not_found(api: Api) -> None:
    assert api.tell("02-00-00-00-00-77-1", "boot_started").status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "body", "named"),
    [
        ("PATCH", "/devices/r12u99", {"state": "active"}, "r12u99"),
        ("GET", "/devices/r12u99/explain", None, "r12u99"),
        ("POST", "/devices/r12u99/runs", {}, "r12u99"),
        ("GET", f"/runs/{UNKNOWN_RUN}", None, UNKNOWN_RUN),
        ("GET", f"/runs/{UNKNOWN_RUN}/report", None, UNKNOWN_RUN),
        ("POST", f"/runs/{UNKNOWN_RUN}/abort", {}, UNKNOWN_RUN),
        ("POST", "/queues/requeue", {"job_id": "boot-r12u99"}, "boot-r12u99"),
        ("POST", "/queues/discard", {"job_id": "boot-r12u99"}, "boot-r12u99"),
    ],
)
def test_a_device_a_run_or_a_job_that_is_not_known_is_named(
    api: Api, method: str, path: str, body: dict[str, str] | None, named: str
) -> None:
    answer = api.call(method, path, body)
    assert answer.status_code == 404
    assert f"'{named}'" in answer.json["detail"]


def test_abort_ends_a_run_once(api: Api) -> None:
    api.lease()
    assert api.ok("POST", f"/runs/{RUN_A}/abort", {"reason": "wrong rack"})["state"] == "aborted"
    assert api.call("POST", f"/runs/{RUN_A}/abort", {}).status_code == 409
    assert api.run()["detail"] == "wrong rack"
    assert api.jobs()["finishes"] == 1


def test_a_machine_put_in_service_is_not_started_and_its_power_is_refused(api: Api) -> None:
    api.lease()
    api.tell(RUN_A, "boot_started")
    api.ok("PATCH", "/devices/a", {"state": "active"})
    refused = api.tell(RUN_A, "power_requested")
    assert (refused.status_code, refused.json["type"]) == (409, "urn:bringup:power_refused")


def test_maintenance_is_set_and_ended_by_the_operator(api: Api) -> None:
    api.ok("PATCH", "/devices/a", {"maintenance": "fan"})
    assert api.lease().json["decision"] == "audit_only"
    assert api.ok("PATCH", "/devices/a", {"maintenance": ""})["maintenance"] is None
    later = api.lease(f"02-00-00-00-00-01-{EPOCH + 1}", starts="2026-11-23T09:41:37Z")
    assert later.json["decision"] == "start"


def test_a_machine_that_runs_is_not_approved_anew(api: Api) -> None:
    api.lease()
    assert api.call("PATCH", "/devices/a", {"state": "approved"}).status_code == 409
    assert api.call("PATCH", "/devices/a", {"state": "active"}).status_code == 202, "to protect is always possible"


def test_a_run_is_closed_once_and_nothing_follows(api: Api) -> None:
    api.lease()
    api.ok("POST", f"/runs/{RUN_A}/abort", {})
    assert api.tell(RUN_A, "finished").status_code == 202
    for kind in ("finished", "media_ejected", "power_off_requested"):
        assert api.tell(RUN_A, kind).status_code == 409
    assert api.ok("GET", "/devices/a")["active_run"] is None


def test_the_inventory_protects_a_machine_from_the_operator(api: Api) -> None:
    assert api.call("PATCH", "/devices/active", {"state": "approved"}).status_code == 409
    assert api.call("POST", "/devices/active/runs", {}).status_code == 409


def test_a_machine_outside_of_the_inventory_cannot_be_approved(api: Api) -> None:
    api.lease(f"02-00-00-00-00-99-{EPOCH}")
    assert api.call("PATCH", "/devices/02-00-00-00-00-99", {"state": "approved"}).status_code == 409
    assert api.call("POST", "/devices/02-00-00-00-00-99/runs", {}).status_code == 409


def test_an_operator_may_take_the_approval_of_the_inventory_back(api: Api) -> None:
    api.ok("PATCH", "/devices/a", {"state": "discovered"})
    assert api.lease().json["decision"] == "audit_only"


def test_a_run_is_started_without_a_lease_once(api: Api) -> None:
    started = api.call("POST", "/devices/a/runs", {})
    assert (started.status_code, started.json["state"]) == (202, "queued")
    assert api.jobs()["boots"] == 1
    again = api.call("POST", "/devices/a/runs", {})
    assert again.status_code in {202, 409}
    assert api.jobs()["boots"] == 1


@pytest.mark.parametrize("limit", ["0", "-1", "x", "100000", "1e3", "\u0661"])
def test_a_limit_that_is_no_sensible_number_is_refused(api: Api, limit: str) -> None:
    assert api.call("GET", f"/runs?limit={limit}").status_code == 422


def test_an_unknown_page_and_a_wrong_method_are_problems_too(api: Api) -> None:
    assert api.call("GET", "/nothing").json["status"] == 404
    wrong = api.call("DELETE", "/runs")
    assert (wrong.json["status"], "GET" in wrong.headers["Allow"]) == (405, True)


def test_nobody_may_change_a_device_to_what_only_a_run_may_say(api: Api) -> None:
    assert api.call("PATCH", "/devices/a", {"state": "validated"}).status_code == 422


def test_without_redis_the_api_says_so_and_asks_to_come_back(
    make_settings: MakeSettings, own_redis: RedisServer, make_api: Callable[[Settings], Api]
) -> None:
    api = make_api(make_settings(redis_port=own_redis.port, redis_timeout_s=1))
    own_redis.kill()
    refused = api.lease()
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
    assert api.call("GET", "/ready", token=None).json == {"ready": False, "problems": ["Redis does not answer"]}
    assert api.call("GET", "/health", token=None).status_code == 200
    own_redis.start()
    assert api.lease().status_code == 201


def changes_in(redis: Redis) -> int:
    """How many changes Redis has made to its data."""
    return int(redis.info("persistence")["rdb_changes_since_last_save"])


FULL = {"ready": False, "problems": ["Redis refuses writes"]}


def test_while_redis_is_full_the_api_is_not_ready_and_leaves_no_data_behind(
    settings: Settings, make_api: Callable[[Settings], Api]
) -> None:
    api, keeper = make_api(settings), connect_redis(settings, tls.ClientContexts(), name="keeper")
    assert api.call("GET", "/ready", token=None).status_code == 200
    before, changes = keeper.keys(), changes_in(keeper)
    keeper.config_set("maxmemory", "1")
    try:
        refused = api.lease()
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
        ready = api.call("GET", "/ready", token=None)
        assert (ready.status_code, ready.json) == (503, FULL)
    finally:
        keeper.config_set("maxmemory", "0")
    assert api.call("GET", "/ready", token=None).json == {"ready": True, "problems": []}
    assert (keeper.keys(), changes_in(keeper)) == (before, changes)
    assert api.lease().status_code == 201


def test_a_wrong_redis_password_is_told_without_the_password(
    make_settings: MakeSettings, shared_redis: RedisServer, make_api: Callable[[Settings], Api]
) -> None:
    api = make_api(make_settings(redis_port=shared_redis.port, redis_password="a-wrong-password"))
    refused = api.lease()
    assert refused.status_code == 503
    assert "REDIS_PASSWORD" in refused.json["detail"]
    assert "a-wrong-password" not in refused.text
    assert "127.0.0.1" not in refused.text, "where Redis is, is nobody's business"


def test_a_device_is_explained_and_nothing_changes(api: Api) -> None:
    before = api.ok("GET", "/devices/a")
    found = api.ok("GET", "/devices/a/explain")
    assert (found["would_power"], found["obstacles"]) == (True, [])
    assert api.ok("GET", "/devices/a") == before
    assert api.ok("GET", "/devices/resting/explain")["obstacles"] == ["the machine is in maintenance: disk replacement"]
    assert not api.ok("GET", "/devices/active/explain")["would_start"]
    assert api.call("GET", "/devices/nobody/explain").status_code == 404
