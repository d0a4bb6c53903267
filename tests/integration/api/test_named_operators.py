"""Named operators: who may read, who may change, and that every change is on record with its author."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from rq import Queue

from api.principal import UnknownCallers
from api.state.store import RunStore
from bringup.audit import AuditResult, read
from bringup.audit_chain import verify
from bringup.connections.redis_client import connect_redis
from bringup.operators import Operator, OperatorRole, Operators, token_hash
from bringup.quarantine import Quarantine
from bringup.settings import Settings
from bringup.tls import ClientContexts
from tests.conftest import TOKEN, MakeSettings, RedisServer
from tests.integration.api.conftest import RUN_A, Api

ALICE, VERA = "alice-has-this-token-of-32-letters", "vera-has-this-token-of-32-letters!"
CHANGES: list[tuple[str, str, Any]] = [
    ("POST", f"/runs/{RUN_A}/abort", {"reason": "x"}),
    ("PATCH", "/devices/b", {"maintenance": "x"}),
    ("POST", "/devices/b/runs", {"reason": "x"}),
    ("POST", "/queues/requeue", {"job_id": "j"}),
    ("POST", "/queues/discard", {"job_id": "j"}),
    ("POST", f"/runs/{RUN_A}/repeat", {"reason": "x"}),
]


def person(name: str, token: str, role: OperatorRole) -> Operator:
    return Operator(name=name, role=role, token_sha256=token_hash(token), added=datetime.now(UTC))


@pytest.fixture
def settings(make_settings: MakeSettings, shared_redis: RedisServer, settings: Settings) -> Settings:
    folder = settings.state_dir.parent
    return make_settings(redis_port=shared_redis.port, operators_file=folder / "operators.toml")


@pytest.fixture
def named(settings: Settings, make_api: Callable[[Settings], Api]) -> Api:
    """An API with two persons: alice, who may change, and vera, who may read."""
    people = [person("alice", ALICE, OperatorRole.OPERATOR), person("vera", VERA, OperatorRole.VIEWER)]
    Operators(people).write(settings.operators_file)
    return make_api(settings)


@pytest.mark.parametrize(("method", "path", "body"), CHANGES)
def test_a_viewer_changes_nothing(named: Api, settings: Settings, method: str, path: str, body: Any) -> None:
    named.lease()
    answer = named.call(method, path, body, VERA)
    assert answer.status_code == 403
    assert "vera is a viewer" in answer.json["detail"]
    assert named.run()["state"] == "queued"
    assert [(e.who, e.result) for e in read(settings.audit_path)] == [("vera", AuditResult.REFUSED)]


@pytest.mark.parametrize("path", ["/runs", "/devices", "/devices/a", "/queues"])
def test_a_viewer_reads_everything(named: Api, path: str) -> None:
    assert named.call("GET", path, token=VERA).status_code == 200


@pytest.mark.parametrize(("method", "path", "body"), CHANGES)
def test_the_token_of_services_changes_nothing_once_a_person_is_named(
    named: Api, method: str, path: str, body: Any
) -> None:
    answer = named.call(method, path, body)
    assert answer.status_code == 403
    assert "bringup operator add" in answer.json["detail"]


@pytest.mark.parametrize(("method", "path", "body"), CHANGES)
def test_a_person_does_no_work_of_a_worker(named: Api, method: str, path: str, body: Any) -> None:
    assert named.call("POST", f"/runs/{RUN_A}/media", {"owner": "w"}, ALICE).status_code == 403


def test_in_development_without_a_named_person_the_token_of_services_opens_everything(
    settings: Settings, make_api: Callable[[Settings], Api]
) -> None:
    assert make_api(settings).call("PATCH", "/devices/b", {"maintenance": "x"}).status_code == 202


def test_in_production_the_token_of_services_opens_nothing_of_a_person_also_with_nobody_named(
    settings: Settings, make_api: Callable[[Settings], Api]
) -> None:
    api = make_api(settings.model_copy(update={"environment": "production"}))
    answer = api.call("PATCH", "/devices/b", {"maintenance": "x"})
    assert answer.status_code == 403
    assert "bringup operator add" in answer.json["detail"]
    assert api.call("GET", "/devices/b").json["maintenance"] is None


def test_a_person_who_was_removed_is_refused_at_once(named: Api, settings: Settings) -> None:
    assert named.call("GET", "/runs", token=ALICE).status_code == 200
    Operators.read(settings.operators_file).removing("alice").write(settings.operators_file)
    assert named.call("GET", "/runs", token=ALICE).status_code == 401


def test_the_last_person_who_was_removed_does_not_open_the_api_to_services(named: Api, settings: Settings) -> None:
    Operators().write(settings.operators_file)
    assert named.call("PATCH", "/devices/b", {"maintenance": "x"}).status_code == 403


def test_a_file_that_cannot_be_used_lets_no_person_in_and_opens_nothing(named: Api, settings: Settings) -> None:
    settings.operators_file.write_text("[[operator")
    assert named.call("GET", "/runs", token=ALICE).status_code == 401
    assert named.call("PATCH", "/devices/b", {"maintenance": "x"}).status_code == 403
    assert named.call("GET", "/runs").status_code == 200  # services go on


def test_a_change_is_on_record_with_its_author_before_and_after(named: Api, settings: Settings) -> None:
    named.lease()
    named.ok("POST", f"/runs/{RUN_A}/abort", {"reason": "wrong rack"}, ALICE)
    line = next(entry for entry in named.run()["timeline"] if entry["type"] == "abort")
    assert (line["by"], line["address"], line["before"], line["detail"]) == (
        "alice",
        "127.0.0.1",
        "queued",
        "wrong rack",
    )
    asked, done = read(settings.audit_path)
    assert (asked.result, done.result) == (AuditResult.REQUESTED, AuditResult.DONE)
    assert (done.who, done.role, done.action, done.target) == ("alice", "operator", "run.abort", f"run/{RUN_A}")
    assert (done.before, done.after, done.detail) == ("queued", "aborted", "wrong rack")


def quarantine(settings: Settings) -> None:
    """A job of run A, put there by a worker that could not read it."""
    redis = connect_redis(settings, ClientContexts(), name="test")
    queue = Queue("boots", connection=redis)
    job = queue.enqueue("workers.jobs.boot", job_id="j")
    Quarantine(redis).put(queue, job.id, "it cannot be read")


@pytest.mark.parametrize(
    ("call", "action", "target", "before", "after", "detail"),
    [
        (CHANGES[0], "run.abort", f"run/{RUN_A}", "queued", "aborted", "x"),
        (CHANGES[1], "device.maintenance", "device/b", "approved", "approved (maintenance: x)", "x"),
        (("PATCH", "/devices/b", {"state": "approved"}), "device.approve", "device/b", "approved", "approved", ""),
        (("PATCH", "/devices/b", {"state": "active"}), "device.in-service", "device/b", "approved", "active", ""),
        (CHANGES[2], "run.start", "device/b", "no run ", "run ", "x"),
        (CHANGES[3], "job.requeue", "job/j", "in quarantine of boots", "put back on its queue", ""),
        (CHANGES[4], "job.discard", "job/j", "in quarantine of boots", "discarded", ""),
    ],
)
def test_every_change_is_on_record(
    named: Api, settings: Settings, *, call: Any, action: str, target: str, before: str, after: str, detail: str
) -> None:
    named.lease()
    quarantine(settings)
    named.ok(**dict(zip(("method", "path", "json"), call, strict=False)), token=ALICE)
    asked, done = read(settings.audit_path)
    assert (asked.result, asked.who, asked.action, asked.target) == ("requested", "alice", action, target)
    assert (done.result, done.who, done.role, done.address) == ("done", "alice", "operator", "127.0.0.1")
    assert (done.action, done.target, done.detail) == (action, target, detail)
    assert str(done.before).startswith(before)
    assert str(done.after).startswith(after)


@pytest.mark.parametrize(("method", "path", "body"), CHANGES)
def test_every_refusal_of_a_change_is_on_record(
    named: Api, settings: Settings, monkeypatch: pytest.MonkeyPatch, *, method: str, path: str, body: Any
) -> None:
    """By a viewer, a service, a stranger and a caller without any token."""
    monkeypatch.setattr(UnknownCallers, "skipped", lambda _self: 0)  # they have one line a second
    for token in (VERA, TOKEN, "guess", None):
        named.call(method, path, body, token)
    found = list(read(settings.audit_path))
    assert [line.who for line in found] == ["vera", "API_TOKEN", "unknown", "unknown"]
    assert {line.result for line in found} == {AuditResult.REFUSED}
    assert {(line.target, line.address) for line in found} == {(f"/api/v1{path}", "127.0.0.1")}
    assert all(line.action.startswith(f"{method} ") and line.detail for line in found)


def test_a_change_that_ends_in_a_defect_is_on_record_as_failed(
    named: Api, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def defect(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(RunStore, "change_device", defect)
    assert named.call(*CHANGES[1], token=ALICE).status_code == 500
    assert [(line.result, line.detail) for line in read(settings.audit_path)][-1] == ("failed", "ZeroDivisionError")


def test_a_device_shows_its_changes_and_its_runs(named: Api) -> None:
    named.lease()
    named.ok("PATCH", "/devices/a", {"maintenance": "new disk"}, ALICE)
    found = named.ok("GET", "/devices/a", token=VERA)
    (change,) = found["changes"]
    assert (change["by"], change["what"]) == ("alice", "device.maintenance")
    assert (change["before"], change["after"]) == ("validating", "validating (maintenance: new disk)")
    assert [run["run_id"] for run in found["runs"]] == [RUN_A]


def test_a_change_that_is_refused_is_on_record(named: Api, settings: Settings) -> None:
    assert named.call("POST", f"/runs/{RUN_A}/abort", {"reason": "x"}, ALICE).status_code == 404
    assert [entry.result for entry in read(settings.audit_path)] == [AuditResult.REQUESTED, AuditResult.REFUSED]


def test_nothing_is_changed_that_cannot_be_recorded(named: Api, settings: Settings) -> None:
    settings.audit_path.mkdir(parents=True)
    answer = named.call("PATCH", "/devices/b", {"maintenance": "x"}, ALICE)
    assert answer.status_code == 503
    assert "audit log" in answer.json["detail"]
    assert named.ok("GET", "/devices/b")["maintenance"] is None


def test_callers_without_a_token_cannot_fill_the_disk(named: Api, settings: Settings) -> None:
    for _ in range(20):
        assert named.call("POST", f"/runs/{RUN_A}/abort", {"reason": "x"}, "guess").status_code == 401
    assert len(list(read(settings.audit_path))) <= 2


def test_no_token_is_ever_on_record(named: Api, settings: Settings) -> None:
    named.call("PATCH", "/devices/b", {"maintenance": "x"}, ALICE)
    named.call("PATCH", "/devices/b", {"maintenance": "x"}, "a-wrong-token")
    text = settings.audit_path.read_text()
    assert ALICE not in text
    assert "a-wrong-token" not in text
    assert verify(settings.audit_path).number == len(text.splitlines())
    assert all(json.loads(line) for line in text.splitlines())
