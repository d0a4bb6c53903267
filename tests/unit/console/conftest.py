"""A console with an API of a few answers, and browsers that are signed in."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import CodeType
from typing import Any, TypeVar

import pytest
from flask import Flask
from flask.testing import FlaskClient
from jinja2 import BytecodeCache
from jinja2.bccache import Bucket
from pydantic import BaseModel
from werkzeug.test import TestResponse

from bringup import errors
from bringup.model import Decision, DeviceState, RunState
from bringup.wire.actions import ActionPreview, TargetPreview
from bringup.wire.changes import FeedChange, FeedPage, FeedSnapshot
from bringup.wire.operator import DeviceView, OperatorList, OperatorView, QuarantinedJob
from bringup.wire.run import Run, RunDecision
from console.app import create_app
from console.recent import Recent
from console.services import Console
from tests.conftest import MakeSettings

_Reply = TypeVar("_Reply", bound=BaseModel)
AT = datetime(2026, 11, 29, 3, 0, tzinfo=UTC)
ALICE = "alice-token"
ORIGIN = {"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}
PEOPLE = {
    "alice-token": OperatorView(name="alice", role="operator", added=AT),
    "vera-token": OperatorView(name="vera", role="viewer", added=AT),
    "page-token": OperatorView(name="page", role="console", added=AT),
    "cmdb-token": OperatorView(name="cmdb", role="connector", added=AT),
}


def device(name: str, state: DeviceState = DeviceState.APPROVED, **fields: Any) -> DeviceView:
    return DeviceView(name=name, state=state, in_inventory=True, **fields)


def run_of(name: str, state: RunState = RunState.RUNNING, *, number: int = 1, **fields: Any) -> Run:
    mac = f"02:00:00:00:00:{number:02x}"
    known: dict[str, Any] = {
        "created_at": AT,
        "updated_at": AT,
        "decision": Decision.START,
        "ip": "192.0.2.7",
        "mac": mac,
    } | fields
    return Run(run_id=f"{mac.replace(':', '-')}-{number}", device=name, state=state, **known)


RUN_ID = run_of("a").run_id


def snapshot(*devices: DeviceView, runs: tuple[Run, ...] = ()) -> FeedSnapshot:
    return FeedSnapshot(id=1, site="fra1", devices=devices, runs=runs)


def change(number: int = 2, *, run: Run | None = None, device: DeviceView | None = None, **fields: Any) -> FeedPage:
    given: dict[str, Any] = {"at": AT, "who": "api", "what": "x"} | fields
    one = FeedChange(id=number, site="fra1", run=run, device=device, **given)
    return FeedPage(changes=(one,), next=number, oldest=1, newest=number)


@dataclass
class FakeApi:
    """Answers by path; a path without an answer is an API that does not answer."""

    token: str = "page-token"
    answers: dict[str, BaseModel] = field(default_factory=dict)
    calls: list[tuple[str, str, Any]] = field(default_factory=list)
    texts: dict[str, bytes] = field(default_factory=dict)
    previews: dict[str, TargetPreview] = field(default_factory=dict)

    def get(self, path: str, reply: type[_Reply]) -> _Reply:
        self.calls.append(("GET", path, self.token))
        if path == "/operators":
            return reply.model_validate(OperatorList(operators=tuple(PEOPLE.values())), from_attributes=True)
        if path == "/operators/me":
            if self.token not in PEOPLE:
                raise errors.ApiRejected("401", kind="unauthorized")
            return reply.model_validate(PEOPLE[self.token], from_attributes=True)
        if path not in self.answers:
            raise errors.ApiUnavailable("the API at http://127.0.0.1:5000 does not answer")
        return reply.model_validate(self.answers[path], from_attributes=True)

    def post(self, path: str, body: Any, reply: type[_Reply]) -> _Reply:
        return self._change("POST", path, body, reply)

    def patch(self, path: str, body: Any, reply: type[_Reply]) -> _Reply:
        return self._change("PATCH", path, body, reply)

    def _change(self, method: str, path: str, body: Any, reply: type[_Reply]) -> _Reply:
        """By a person's token alone, as the API does. Everything may be done, except what ``previews`` names."""
        if path == "/actions/preview":
            known = (self.previews.get(name) or TargetPreview(target=name, would=True) for name in body.targets)
            found = ActionPreview(action=body.action, targets=tuple(known))
            return reply.model_validate(found, from_attributes=True)
        self.calls.append((method, path, self.token))
        if PEOPLE[self.token].role != "operator":
            raise errors.ApiRejected("403", kind="forbidden")
        name = path.split("/")[2]
        made: dict[type[BaseModel], BaseModel] = {
            DeviceView: device(name),
            RunDecision: RunDecision(run_id=RUN_ID, decision=Decision.START, state=RunState.QUEUED, reason=""),
            Run: run_of("a"),
            QuarantinedJob: QuarantinedJob(job_id="j", queue="boot", reason="x", at=AT),
        }
        return reply.model_validate(made[reply], from_attributes=True)

    def get_text(self, path: str) -> bytes:
        self.calls.append(("GET", path, self.token))
        return self.texts[path]


class Browser:
    """One browser of a person."""

    def __init__(self, client: FlaskClient, console: Console) -> None:
        self.client = client
        self.console = console

    def get(self, path: str, **headers: str) -> TestResponse:
        return self.client.get(path, headers=headers)

    def post(self, path: str, form: dict[str, Any] | None = None, **headers: str) -> TestResponse:
        return self.client.post(path, data=form or {}, headers=ORIGIN | headers)

    def sign_in(self, token: str = ALICE) -> TestResponse:
        return self.post("/sign-in", {"token": token})

    @property
    def csrf(self) -> str:
        cookie = self.client.get_cookie("bringup")
        session = self.console.sessions.get(cookie.value if cookie else None)
        assert session
        return session.csrf


class CompiledTemplates(BytecodeCache):
    """Templates that another application has compiled: each test has one of its own, and they are all alike."""

    def __init__(self) -> None:
        self._codes: dict[str, CodeType] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = self._codes.get(bucket.key)

    def dump_bytecode(self, bucket: Bucket) -> None:
        assert bucket.code
        self._codes[bucket.key] = bucket.code


@pytest.fixture(scope="session", autouse=True)
def compiled_templates() -> Iterator[None]:
    """Each template is compiled once, not once a test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Flask, "jinja_options", {"bytecode_cache": CompiledTemplates()})
        yield


@pytest.fixture
def api() -> FakeApi:
    return FakeApi()


@pytest.fixture
def console(make_settings: MakeSettings, api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> Console:
    settings = make_settings(console_token="page-token")
    made = Console(settings, None, api, totals=Recent(0, 500))  # type: ignore[arg-type]
    monkeypatch.setattr(Console, "api_of", lambda _, token, **__: replace(api, token=token))
    made.freshness.answered()
    return made


@pytest.fixture
def new_browser(console: Console) -> Callable[[], Browser]:
    app = create_app(console)
    return lambda: Browser(app.test_client(), console)


@pytest.fixture
def browser(new_browser: Callable[[], Browser]) -> Browser:
    """Alice's."""
    made = new_browser()
    assert made.sign_in().status_code == 303
    return made
