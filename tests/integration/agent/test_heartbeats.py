"""Heartbeats go on by themselves, and bring the news that the run is over."""

import time
from pathlib import Path

import pytest

from agent.api import Api, Response, RunOver
from agent.heartbeat import Heartbeats
from tests.unit.agent.test_report import Scripted, fail, respond
from tests.unit.agent.tree import Stage

FIRST = Response(202, {"next_s": 0, "command": "continue"}, "", "")  # the shortest pause is a second


def await_end(heartbeats: Heartbeats) -> None:
    """Returns without RunOver only if none came in 60 s."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        heartbeats.raise_if_over()
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("last", "shown"),
    [
        (respond(202, next_s=0, command="abort"), "has aborted this run"),
        (respond(410, detail="the run has ended: timed_out"), "the run has ended: timed_out"),
    ],
)
def test_the_end_of_a_run_is_learned_in_the_background(tmp_path: Path, last: object, shown: str) -> None:
    api = Scripted(respond(202, next_s=0, command="continue"), last)  # type: ignore[arg-type]
    heartbeats = Heartbeats(api, Stage().machine(tmp_path))
    heartbeats.start(FIRST)
    with pytest.raises(RunOver, match=shown):
        await_end(heartbeats)
    assert len(api.bodies) == 2


def test_a_heartbeat_that_fails_is_no_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.heartbeat.jitter", lambda *_: 0.01)
    api: Api = Scripted(fail(ConnectionResetError()), fail(TimeoutError()), respond(404))
    heartbeats = Heartbeats(api, Stage().machine(tmp_path))
    heartbeats.start(FIRST)
    with pytest.raises(RunOver):
        await_end(heartbeats)
