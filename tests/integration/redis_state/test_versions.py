"""Two neighbouring versions side by side: an upgrade, in which the API goes first, and a rollback."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from api.state.unreadable import unreadable
from bringup import tls
from bringup.connections.redis_client import connect_redis
from bringup.model import JobKind, LeaseEvent, RunState
from bringup.queues import Queues, new_job
from tests.integration.api.conftest import LEASE, RUN_A, RUN_B
from tests.integration.redis_state.filled import Filled
from tests.integration.redis_state.newer_api import NewerApi
from tests.integration.selftest import pipeline

if TYPE_CHECKING:
    from redis import Redis

DEVICE_A = "bringup:device:a"
RECORD_A, RECORD_B = f"bringup:run:{RUN_A}", f"bringup:run:{RUN_B}"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Filled]:
    made = Filled(tmp_path, use_tls=False)
    with made.stack:
        made.start()
        yield made


def write_as_the_next_version(redis: "Redis") -> None:
    """One field more in every record, also inside others, and one that is not even JSON."""
    for key in (RECORD_A, RECORD_B, DEVICE_A):
        redis.hset(key, mapping={"of_the_next_version": '{"new": [1]}', "raw": "not json"})
    verdict: dict[str, Any] = json.loads(redis.hget(RECORD_A, "verdict") or "{}")
    verdict["of_the_next_version"] = verdict["checks"][0]["of_the_next_version"] = 1
    verdict["checks"][0]["status"] = "exempted"
    redis.hset(RECORD_A, "verdict", json.dumps(verdict))
    entry = {"at": "2026-11-23T10:00:00Z", "type": "t", "state": "paused", "applied": True, "of_the_next_version": 1}
    redis.xadd(f"{RECORD_A}:events", {"entry": json.dumps(entry)})


def test_one_field_more_in_a_record_hides_nothing_and_is_kept(site: Filled) -> None:
    site.fill()
    redis = site.redis("api")
    write_as_the_next_version(redis)
    verdict = redis.hget(RECORD_A, "verdict")
    assert {run["run_id"] for run in site.ok("GET", "/runs")["runs"]} == {RUN_A, RUN_B}
    assert [run["run_id"] for run in site.ok("GET", "/runs?open=true")["runs"]] == [RUN_B]
    shown = site.ok("GET", f"/runs/{RUN_A}")
    assert shown["timeline"][-1]["state"] == "unknown"
    assert shown["verdict"]["checks"][0]["status"] == "skip"
    assert "of_the_next_version" not in json.dumps(shown)
    assert "a" in {device["name"] for device in site.ok("GET", "/devices")["devices"]}
    site.ok("PATCH", "/devices/a", {"maintenance": "written by this version"})
    site.ok("POST", f"/runs/{RUN_B}/abort", {})
    assert site.post_event(RUN_B, "finished").status_code == 202
    for key in (RECORD_A, RECORD_B, DEVICE_A):
        assert redis.hget(key, "of_the_next_version") == b'{"new": [1]}'
        assert redis.hget(key, "raw") == b"not json"
    assert redis.hget(RECORD_A, "verdict") == verdict


def test_a_state_that_only_the_next_version_knows_is_shown_kept_and_never_powered(site: Filled) -> None:
    site.lease(RUN_A)
    site.ok("PATCH", "/devices/resting", {"maintenance": ""})
    site.post_event(RUN_A, "boot_started")
    redis = site.redis("api")
    redis.hset(DEVICE_A, "state", '"retired"')
    redis.hset("bringup:device:b", mapping={"name": '"b"', "state": '"retired"'})
    found = {device["name"]: device["state"] for device in site.ok("GET", "/devices")["devices"]}
    assert (found["a"], found["b"]) == ("unknown", "unknown")
    assert unreadable(site.stack.settings_of("api"), redis) == ["device a"]
    assert site.lease(RUN_B)["decision"] == "audit_only"
    refused = site.post_event(RUN_A, "power_on_requested")
    assert refused.json()["type"] == "urn:bringup:power_refused"
    assert redis.hget("bringup:device:b", "state") == b'"retired"'
    assert redis.hget("bringup:device:b", "last_seen_at")
    assert site.ok("PATCH", "/devices/b", {"state": "approved"})["state"] == "approved"


def test_a_run_in_such_a_state_waits_for_the_next_version_or_for_a_person(site: Filled) -> None:
    token = site.boot(RUN_A)
    redis = site.redis("api")
    assert unreadable(site.stack.settings_of("api"), redis) == []
    redis.hset(RECORD_A, mapping={"state": '"paused"', "decision": '"later"', "reason": '"a_new_reason"'})
    assert unreadable(site.stack.settings_of("api"), redis) == [f"run {RUN_A}"]
    (shown,) = site.ok("GET", "/runs")["runs"]
    assert (shown["state"], shown["decision"], shown["reason"]) == ("unknown", "unknown", "a_new_reason")
    beat = {"boot_id": "b", "uptime_s": 1}
    answer = site.call("POST", f"/runs/{RUN_A}/heartbeat", beat, token)
    assert (answer.status_code, "Retry-After" in answer.headers) == (503, True)
    assert site.post_event(RUN_A, "powered_on").status_code == 409
    assert redis.hget(RECORD_A, "state") == b'"paused"'
    assert site.ok("POST", f"/runs/{RUN_A}/abort", {})["state"] == "aborted"
    assert site.post_event(RUN_A, "finished").status_code == 202


def test_a_request_of_the_next_version_is_refused_and_changes_nothing(site: Filled) -> None:
    """A newer worker against an older API: the order of an upgrade excludes it."""
    assert site.call("PUT", f"/runs/{RUN_A}", LEASE | {"of_the_next_version": 1}).status_code == 422
    assert site.ok("GET", "/runs")["runs"] == []
    site.lease(RUN_A)
    event = {"type": "boot_started", "owner": "w", "of_the_next_version": 1}
    assert site.call("POST", f"/runs/{RUN_A}/events", event).status_code == 422
    event = {"type": "boot_failed", "owner": "w", "reason": "a_new_reason"}
    assert site.call("POST", f"/runs/{RUN_A}/events", event).status_code == 422
    assert site.ok("GET", f"/runs/{RUN_A}")["state"] == "queued"


def test_an_older_worker_and_older_commands_work_with_the_next_version_of_the_api(tmp_path: Path) -> None:
    made = pipeline.stack(tmp_path, use_tls=False)
    with made:
        made.start_redis()
        made.start("api")
        newer = NewerApi(made.settings.api_url)
        try:
            made.configure({"CALLBACK_API_URL": newer.url})
            made.start("simulate", "--boot-seconds", "0.2", "--check-seconds", "0.2")
            made.start("work")
            enqueue_as_the_next_version(connect_redis(made.settings_of("tailer"), tls.ClientContexts(), name="tests"))
            found = pipeline.await_run(made, lambda run: run.closed_at)
            assert found.state is RunState.PASSED
            for command in (["runs"], ["devices"], ["run", "show", found.run_id], ["explain", "sim-001"]):
                assert "sim-001" in made.command(*command).stdout
            for command in (["runs"], ["devices"]):
                assert json.loads(made.command(*command, "--output", "json").stdout)
        finally:
            newer.close()


def enqueue_as_the_next_version(redis: "Redis") -> None:
    """A lease of a newer tailer, which was rolled back since."""
    lease = LeaseEvent.model_validate(LEASE | {"mac": "02:5b:00:00:00:01"})
    queue = Queues(redis).queue(JobKind.DISCOVER)
    arguments = {"lease": lease.model_dump(mode="json", exclude_none=True) | {"of_the_next_version": 1}}
    queue.enqueue_job(new_job(queue, JobKind.DISCOVER, lease.run_id, arguments), unique=True)
