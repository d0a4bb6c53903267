"""A preview shows for each target what its action then does, and changes nothing; a repeat is one step."""

from typing import Any

import pytest
from redis import Redis
from rq import Queue

from bringup.audit import AuditResult, read
from bringup.connections.redis_client import connect_redis
from bringup.quarantine import Quarantine
from bringup.settings import Settings
from bringup.tls import ClientContexts
from tests.integration.api.conftest import RUN_A, RUN_B, Api

UNKNOWN_RUN = "02-00-00-00-00-99-1"


def preview(api: Api, action: str, *targets: str, reason: str = "") -> dict[str, dict[str, Any]]:
    """By target."""
    found = api.ok("POST", "/actions/preview", {"action": action, "targets": targets, "reason": reason})
    assert found["action"] == action
    return {one["target"]: one for one in found["targets"]}


def would(api: Api, action: str, *targets: str, reason: str = "") -> dict[str, bool]:
    return {name: one["would"] for name, one in preview(api, action, *targets, reason=reason).items()}


def finish(api: Api, run_id: str = RUN_A) -> None:
    """End the run as one that has failed, and close it."""
    api.ok("POST", f"/runs/{run_id}/abort", {"reason": "x"})
    for kind in ("media_ejected", "finished"):
        assert api.tell(run_id, kind).status_code == 202
    assert api.run(run_id)["closed_at"]


@pytest.fixture
def redis(settings: Settings) -> "Redis":
    return connect_redis(settings, ClientContexts(), name="test")


def test_a_start_is_previewed_for_each_target_and_starts_nothing(api: Api) -> None:
    found = preview(api, "start", "a", "active", "resting", "nobody", "a")
    assert list(found) == ["a", "active", "resting", "nobody"]
    assert [one["would"] for one in found.values()] == [True, False, False, False]
    assert found["active"]["reason"] == "the machine is in service"
    assert "disk replacement" in found["resting"]["reason"]
    assert found["nobody"]["reason"] == "there is no such device"
    assert api.ok("GET", "/runs")["runs"] == []


def test_what_is_previewed_is_what_then_happens(api: Api) -> None:
    for name, would_start in would(api, "start", "a", "b", "active", "resting").items():
        assert (api.call("POST", f"/devices/{name}/runs", {}).status_code == 202) is would_start
    runs = [run["run_id"] for run in api.ok("GET", "/runs")["runs"]]
    for run_id, would_end in would(api, "abort", *runs, UNKNOWN_RUN).items():
        assert (api.call("POST", f"/runs/{run_id}/abort", {}).status_code == 202) is would_end
    assert set(would(api, "abort", *runs).values()) == {False}


def test_a_change_of_devices_is_previewed_with_what_becomes_of_them(api: Api) -> None:
    found = preview(api, "maintenance", "a", "active", reason="fan")
    assert [one["becomes"] for one in found.values()] == ["approved (maintenance: fan)", "active (maintenance: fan)"]
    assert api.ok("GET", "/devices/a")["maintenance"] is None


def test_a_change_is_refused_when_the_device_is_in_another_state_by_now(api: Api) -> None:
    api.ok("PATCH", "/devices/a", {"state": "active"})
    answer = api.call("PATCH", "/devices/a", {"state": "approved", "expected_state": "failed"})
    assert (answer.status_code, answer.json["detail"]) == (409, "the machine is active by now, and not failed")
    assert api.ok("GET", "/devices/a")["state"] == "active"


def test_a_job_in_quarantine_is_previewed(api: Api, redis: "Redis") -> None:
    queue, quarantine = Queue("boots", connection=redis), Quarantine(redis)
    for job_id in ("j", "again"):
        queue.enqueue("workers.jobs.boot", job_id=job_id)
        quarantine.put(queue, job_id, "it cannot be read")
    queue.enqueue("workers.jobs.boot", job_id="again")
    assert would(api, "requeue", "j", "again", "nobody") == {"j": True, "again": False, "nobody": False}
    assert would(api, "discard", "j", "again", "nobody") == {"j": True, "again": True, "nobody": False}
    assert api.call("POST", "/queues/requeue", {"job_id": "again"}).status_code == 409
    assert api.call("POST", "/queues/requeue", {"job_id": "j"}).status_code == 202


def test_a_run_that_did_not_pass_is_repeated_in_one_step(api: Api, settings: Settings) -> None:
    api.booted(RUN_A)
    assert preview(api, "repeat", RUN_A)[RUN_A]["reason"] == "the run has not ended: it is waiting"
    finish(api)
    assert would(api, "repeat", RUN_A, UNKNOWN_RUN) == {RUN_A: True, UNKNOWN_RUN: False}
    started = api.ok("POST", f"/runs/{RUN_A}/repeat", {"reason": "new cable"})
    assert (started["decision"], started["state"]) == ("start", "queued")
    device = api.ok("GET", "/devices/a")
    assert (device["state"], device["active_run"]) == ("validating", started["run_id"])
    first = api.run(started["run_id"])["timeline"][0]
    assert (first["by"], first["detail"]) == ("API_TOKEN", f"new cable: {RUN_A}")
    last = list(read(settings.audit_path))[-1]
    assert (last.action, last.target, last.result) == ("run.repeat", f"run/{RUN_A}", AuditResult.DONE)


def test_a_repeat_that_is_not_allowed_starts_nothing(api: Api) -> None:
    api.booted(RUN_B)
    assert api.call("POST", f"/runs/{RUN_B}/repeat", {}).status_code == 409
    finish(api, RUN_B)
    api.ok("PATCH", "/devices/b", {"state": "active"})
    assert would(api, "repeat", RUN_B) == {RUN_B: False}
    answer = api.call("POST", f"/runs/{RUN_B}/repeat", {})
    assert (answer.status_code, answer.json["detail"]) == (409, "the machine is active by now")
    assert api.ok("GET", "/devices/b")["active_run"] is None


@pytest.mark.parametrize(
    "request_body",
    [
        {"action": "explode", "targets": ["a"]},
        {"action": "start", "targets": []},
        {"action": "start", "targets": ["a"] * 1001},
        {"action": "start", "targets": [""]},
    ],
    ids=["unknown action", "no target", "too many", "no name"],
)
def test_a_preview_of_nonsense_is_refused(api: Api, request_body: dict[str, Any]) -> None:
    assert api.call("POST", "/actions/preview", request_body).status_code == 422
