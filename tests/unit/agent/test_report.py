"""The report is posted until the API has it or will never take it, each time the same, byte for byte."""

from collections.abc import Callable
from pathlib import Path

import pytest

from agent import report
from agent.api import Api, Response, RunOver
from agent.heartbeat import Heartbeats
from agent.parameters import Parameters
from tests.unit.agent.tree import Stage

GIVEN = Parameters("02-00-00-00-00-01-1795426896", "http://api.example.net/api/v1", "the-token", 0)


def respond(status: int, retry_after: str = "", **body: object) -> Callable[[], Response]:
    return lambda: Response(status, body, "", retry_after)


def fail(error: Exception) -> Callable[[], Response]:
    def answer() -> Response:
        raise error

    return answer


class Scripted(Api):
    """An API whose answers are known beforehand; the last one stands for ever."""

    def __init__(self, *answers: Callable[[], Response]) -> None:
        super().__init__(GIVEN, None)
        self._answers = list(answers)
        self.bodies: list[bytes] = []

    def call(self, method: str, path: str, body: bytes, kind: str = "application/json") -> Response:
        self.bodies.append(body)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return answer()


def deliver(api: Api, root: Path, stage: Stage, beats: Api | None = None) -> str:
    machine = stage.machine(root)
    heartbeats = Heartbeats(beats or api, machine)
    if beats:
        with pytest.raises(RunOver):
            heartbeats.send()
    return report.deliver(api, {"schema_version": 1}, heartbeats, machine)


def test_it_is_tried_again_until_it_is_taken_and_is_the_same_each_time(tmp_path: Path, stage: Stage) -> None:
    api = Scripted(respond(503), fail(TimeoutError()), respond(401), respond(302), respond(202, state="passed"))
    assert deliver(api, tmp_path, stage) == "passed"
    assert len(api.bodies) == 5
    assert len(set(api.bodies)) == 1
    assert all(5 <= pause <= 30 for pause in stage.pauses)
    assert len(stage.lines) == 4


def test_a_repeat_of_what_is_on_record_is_a_success(tmp_path: Path, stage: Stage) -> None:
    assert deliver(Scripted(respond(200, state="degraded")), tmp_path, stage) == "degraded"


def test_the_server_names_the_time_of_the_next_try(tmp_path: Path, stage: Stage) -> None:
    deliver(Scripted(respond(503, "120"), respond(202)), tmp_path, stage)
    assert 120 <= stage.pauses[0] <= 122


@pytest.mark.parametrize("status", [404, 409, 410, 413, 422])
def test_what_will_never_be_taken_is_not_sent_again(tmp_path: Path, stage: Stage, status: int) -> None:
    api = Scripted(respond(status))
    with pytest.raises(RunOver):
        deliver(api, tmp_path, stage)
    assert len(api.bodies) == 1


def test_a_run_that_a_heartbeat_has_ended_gets_no_report(tmp_path: Path, stage: Stage) -> None:
    api = Scripted(respond(202))
    with pytest.raises(RunOver, match="aborted"):
        deliver(api, tmp_path, stage, beats=Scripted(respond(202, next_s=0, command="abort")))
    assert api.bodies == []


def test_a_log_that_is_too_long_is_sent_with_its_end(tmp_path: Path, stage: Stage) -> None:
    api = Scripted(respond(201))
    report.upload(api, "dmesg.log", b"x" * 2**21 + b"the end", stage.machine(tmp_path))
    assert len(api.bodies[0]) == 2**20
    assert api.bodies[0].endswith(b"the end")
    assert stage.lines == []
