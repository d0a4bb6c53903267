"""Where machines need a certificate, only that of their own run does, and only beside its token."""

import http.client
from typing import Any

import pytest

from tests.integration.api.conftest import LEASE
from tests.integration.tls.conftest import BEATING_RUNS, PREFIX, Caller, Served

RUN, OTHER_RUN = BEATING_RUNS
BEAT = {"boot_id": "b", "uptime_s": 1}
HEARTBEAT = f"/runs/{RUN}/heartbeat"
TLS_FAILURE = {"reason": "tls_trust", "proof": "0" * 64, "boot_id": "b"}


@pytest.fixture(scope="module")
def token(lenient: Served) -> str:
    """Of a run whose image has been handed out. Both APIs share their Redis."""
    worker = lenient.by("worker")
    lease = LEASE | {"mac": "02:00:00:00:0a:01", "starts": "2026-11-23T09:41:36Z"}
    assert worker.call("PUT", f"/runs/{RUN}", lease)[0] == 201
    assert worker.call("POST", f"/runs/{RUN}/events", {"type": "boot_started", "owner": "w"})[0] == 202
    return worker.mint(RUN)


@pytest.mark.parametrize(
    ("role", "name"), [("run", "some"), ("run", OTHER_RUN), ("worker", "worker"), ("operator", "some")]
)
def test_the_certificate_of_another_identity_is_refused(strict: Served, token: str, role: str, name: str) -> None:
    status, problem = strict.by(role, name).call("POST", HEARTBEAT, BEAT, token)
    assert status == 403
    assert f"{RUN}.run.bringup.internal" in problem["detail"]


def test_the_certificate_and_the_token_of_its_run_are_accepted(strict: Served, token: str) -> None:
    assert strict.by("run", RUN).call("POST", HEARTBEAT, BEAT, token)[0] == 202


def test_the_certificate_without_the_token_permits_nothing(strict: Served, token: str) -> None:
    assert strict.by("run", RUN).call("POST", HEARTBEAT, BEAT, "another-token")[0] == 401
    assert strict.by("run", OTHER_RUN).call("POST", f"/runs/{OTHER_RUN}/heartbeat", BEAT, token)[0] == 404


@pytest.mark.parametrize("role", [None, "run", "worker"])
def test_where_it_is_not_required_no_certificate_is_checked(lenient: Served, token: str, role: str | None) -> None:
    assert lenient.by(role).call("POST", HEARTBEAT, BEAT, token)[0] == 202


def test_refused_certificates_explain_a_time_out_later(strict: Served, token: str) -> None:
    before = strict.site.keeper.get(f"bringup:run:{RUN}:refused")
    strict.by("run", OTHER_RUN).call("POST", HEARTBEAT, BEAT, token)
    assert strict.site.keeper.get(f"bringup:run:{RUN}:refused") != before


def test_a_tls_failure_is_reported_without_a_certificate_and_needs_its_proof(
    strict: Served, lenient: Served, token: str
) -> None:
    for caller in (lenient.by(None), strict.by("run", RUN), strict.by("worker")):
        assert caller.call("POST", f"/runs/{RUN}/tls-failure", TLS_FAILURE)[0] == 401


def test_an_artifact_is_stored_and_read_with_what_the_roles_of_redis_allow(strict: Served, token: str) -> None:
    path = f"/runs/{RUN}/artifacts/agent.log"
    assert send(strict.by("run", RUN), "PUT", path, token, b"a log")[0] == 201
    assert send(strict.by("operator"), "GET", path) == (200, b"a log")
    assert send(strict.by("worker"), "GET", path)[0] == 403
    assert strict.by("worker").call("GET", f"/runs/{RUN}")[1]["artifacts"] == [{"name": "agent.log", "size": 5}]


def send(caller: Caller, method: str, path: str, token: str = "", body: bytes | None = None) -> tuple[int, Any]:
    """With text instead of JSON."""
    connection = http.client.HTTPSConnection("127.0.0.1", caller.port, timeout=60, context=caller.context())
    headers = {"Authorization": f"Bearer {token or caller.token}", "Content-Type": "text/plain"}
    connection.request(method, PREFIX + path, body, headers)
    answer = connection.getresponse()
    return answer.status, answer.read()
