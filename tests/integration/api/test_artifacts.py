"""What a machine leaves besides its report: bounded, byte for byte, for operators, and no longer than its run."""

from typing import Any

import pytest

from bringup import tls
from bringup.connections.redis_client import connect_redis
from bringup.settings import Settings
from tests.integration.api.conftest import RUN_A, RUN_B, Api

MIB = 1024**2
LOG = b"12:00 no lease yet\n\xff\x1b[31m\r\nlast line"


def put(
    api: Api, token: str | None, data: bytes = LOG, name: str = "agent.log", headers: dict[str, str] | None = None
) -> Any:
    given = {"Content-Type": "text/plain"} | (headers or {})
    return api.call("PUT", f"/runs/{RUN_A}/artifacts/{name}", token=token, data=data, headers=given)


def get(api: Api, name: str = "agent.log", run_id: str = RUN_A) -> Any:
    return api.call("GET", f"/runs/{run_id}/artifacts/{name}")


def test_an_artifact_is_kept_byte_for_byte_and_a_later_one_takes_its_place(api: Api) -> None:
    token = api.booted()
    first = put(api, token)
    assert (first.status_code, first.json) == (201, {"name": "agent.log", "size": len(LOG)})
    assert get(api).data == LOG
    assert put(api, token, b"more").status_code == 200
    assert get(api).data == b"more"


def test_no_browser_takes_an_artifact_for_a_page(api: Api) -> None:
    put(api, api.booted())
    answer = get(api)
    assert answer.mimetype == "text/plain"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{RUN_A}-agent.log"'


def test_a_run_lists_what_its_machine_has_left(api: Api) -> None:
    token = api.booted()
    assert api.run()["artifacts"] == []
    put(api, token, b"12345", "dmesg.log")
    put(api, token, b"")
    assert api.run()["artifacts"] == [{"name": "agent.log", "size": 0}, {"name": "dmesg.log", "size": 5}]


@pytest.mark.parametrize("name", ["x", "agent.log.", "AGENT.LOG", "..", "%2e%2e%2fagent.log", "agent.log%00"])
def test_only_artifacts_of_the_list_are_taken_and_the_refusal_names_them(api: Api, name: str) -> None:
    token = api.booted()
    answer = put(api, token, name=name)
    assert answer.status_code in {404, 405}
    if name in {"x", "AGENT.LOG"}:
        assert answer.json["detail"].endswith("a run has: agent.log, dmesg.log")
    assert api.run()["artifacts"] == []


def test_an_artifact_beyond_the_limit_is_refused_and_one_of_just_the_limit_is_not(api: Api) -> None:
    token = api.booted()
    assert put(api, token, b"x" * MIB).status_code == 201
    refused = put(api, token, b"x" * (MIB + 1))
    assert (refused.status_code, refused.headers["Connection"]) == (413, "close")
    assert api.run()["artifacts"] == [{"name": "agent.log", "size": MIB}]


def test_another_content_type_or_a_compressed_artifact_is_refused(api: Api) -> None:
    token = api.booted()
    assert put(api, token, headers={"Content-Type": "text/html"}).status_code == 415
    assert put(api, token, headers={"Content-Encoding": "gzip"}).status_code == 415
    assert put(api, token, headers={"Content-Type": "text/plain; charset=utf-8"}).status_code == 201


def test_artifacts_are_taken_after_the_verdict_until_the_run_is_closed(api: Api) -> None:
    token = api.booted()
    api.ok("POST", f"/runs/{RUN_A}/report", api.report(), token)
    assert put(api, token).status_code == 201
    assert api.tell(RUN_A, "finished").status_code == 202
    assert put(api, token, name="dmesg.log").status_code == 410
    assert get(api).data == LOG


def test_only_the_machine_of_the_run_leaves_artifacts_and_only_staff_reads_them(api: Api) -> None:
    token = api.booted()
    other = api.booted(RUN_B)
    assert put(api, "wrong").status_code == 401
    assert put(api, None).status_code == 401
    assert put(api, other).status_code == 404
    put(api, token)
    assert api.call("GET", f"/runs/{RUN_A}/artifacts/agent.log", token=token).status_code == 401
    assert get(api, run_id=RUN_B).status_code == 404
    assert get(api, run_id="02-00-00-00-00-77-1").status_code == 404
    assert get(api, "dmesg.log").json["detail"] == "the machine has left no dmesg.log"


def test_artifacts_go_when_their_run_goes(api: Api, settings: Settings) -> None:
    redis = connect_redis(settings, tls.ClientContexts(), name="tests")
    token = api.booted()
    put(api, token)
    found = [f"bringup:run:{RUN_A}:{part}" for part in ("artifacts", "artifact-sizes")]
    for key in found:
        redis.persist(key)
    api.ok("POST", f"/runs/{RUN_A}/abort", {})
    api.tell(RUN_A, "finished")
    of_the_run = redis.ttl(f"bringup:run:{RUN_A}")
    assert [abs(redis.ttl(key) - of_the_run) <= 5 for key in found] == [True, True]
