"""A console: it reads by its own token, and changes things by the token of the person who is signed in there."""

from collections.abc import Callable
from typing import Any

import pytest

from bringup.audit import AuditResult, read
from bringup.operators import OperatorRole, Operators
from bringup.settings import Settings
from tests.conftest import MakeSettings, RedisServer
from tests.integration.api.conftest import LEASE, RUN_A, Api
from tests.integration.api.test_named_operators import ALICE, CHANGES, VERA, person

CONSOLE = "the-page-has-this-token-of-letters"
CONNECTOR = "cmdb-has-this-token-of-32-letters"


@pytest.fixture
def settings(make_settings: MakeSettings, shared_redis: RedisServer, settings: Settings) -> Settings:
    return make_settings(redis_port=shared_redis.port, operators_file=settings.state_dir.parent / "operators.toml")


@pytest.fixture
def named(settings: Settings, make_api: Callable[[Settings], Api]) -> Api:
    people = [
        person("alice", ALICE, OperatorRole.OPERATOR),
        person("vera", VERA, OperatorRole.VIEWER),
        person("page", CONSOLE, OperatorRole.CONSOLE),
        person("cmdb", CONNECTOR, OperatorRole.CONNECTOR),
    ]
    Operators(people).write(settings.operators_file)
    return make_api(settings)


def by_console(api: Api, method: str, path: str, body: Any = None, *, token: str, console: str = CONSOLE) -> Any:
    headers = {"Authorization": f"Bearer {token}", "Bringup-Console": console}
    return api.client.open(f"/api/v1{path}", method=method, json=body, headers=headers)


@pytest.mark.parametrize(
    "path", ["/runs", "/devices", "/queues", "/services", "/changes", "/changes/snapshot", "/operators"]
)
@pytest.mark.parametrize("token", [CONSOLE, CONNECTOR])
def test_a_console_and_a_connector_read_everything(named: Api, path: str, token: str) -> None:
    assert named.call("GET", path, token=token).status_code == 200


@pytest.mark.parametrize(("method", "path", "body"), CHANGES)
def test_a_connector_changes_nothing(named: Api, method: str, path: str, body: Any) -> None:
    named.lease()
    answer = named.call(method, path, body, CONNECTOR)
    assert answer.status_code == 403
    assert "cmdb is a connector" in answer.json["detail"]
    assert by_console(named, method, path, body, token=CONNECTOR).status_code == 403


def test_a_connector_is_no_worker(named: Api) -> None:
    assert named.call("PUT", f"/runs/{RUN_A}", LEASE, CONNECTOR).status_code == 403


@pytest.mark.parametrize(("method", "path", "body"), CHANGES)
def test_a_console_changes_nothing_by_itself(named: Api, method: str, path: str, body: Any) -> None:
    named.lease()
    answer = named.call(method, path, body, CONSOLE)
    assert answer.status_code == 403
    assert "without an operator's token" in answer.json["detail"]


def test_what_a_person_changes_at_a_console_is_on_record_with_both_names(named: Api, settings: Settings) -> None:
    named.lease()
    answer = by_console(named, "POST", f"/runs/{RUN_A}/abort", {"reason": "x"}, token=ALICE)
    assert answer.status_code == 202
    done = [entry for entry in read(settings.audit_path) if entry.result is AuditResult.DONE]
    assert [(entry.who, entry.role, entry.console) for entry in done] == [("alice", "operator", "page")]


def test_a_viewer_at_a_console_changes_nothing(named: Api) -> None:
    named.lease()
    assert by_console(named, "POST", f"/runs/{RUN_A}/abort", {}, token=VERA).status_code == 403


@pytest.mark.parametrize("console", [ALICE, CONNECTOR, "guessed", ""])
def test_only_the_token_of_a_console_makes_a_console(named: Api, console: str) -> None:
    named.lease()
    answer = by_console(named, "POST", f"/runs/{RUN_A}/abort", {}, token=ALICE, console=console)
    assert answer.status_code == 401


def test_a_caller_reads_who_they_are(named: Api) -> None:
    found = by_console(named, "GET", "/operators/me", token=VERA)
    assert (found.json["name"], found.json["role"]) == ("vera", "viewer")
    assert named.call("GET", "/operators/me").status_code == 404


def test_the_list_of_operators_holds_no_hash(named: Api) -> None:
    text = named.call("GET", "/operators", token=CONSOLE).get_data(as_text=True)
    assert '"page"' in text
    assert "sha256" not in text


def test_the_token_of_a_machine_is_nobodys_at_a_console(named: Api) -> None:
    token = named.booted()
    assert by_console(named, "GET", "/operators/me", token=token).status_code == 401
    assert by_console(named, "POST", f"/runs/{RUN_A}/abort", {}, token=token).status_code == 401


@pytest.mark.parametrize("token", [None, "guessed"])
def test_who_has_no_token_of_ours_is_shown_which_setting_holds_one(named: Api, token: str | None) -> None:
    refused = named.call("GET", "/runs", token=token)
    assert refused.status_code == 401
    assert "OPERATOR_TOKEN" in refused.json["detail"]
    assert "API_TOKEN" in refused.json["detail"]
