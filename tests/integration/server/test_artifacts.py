"""Artifacts over the wire: a body whose length nobody announced, and a terminal that a log must not drive."""

import http.client
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from bringup.connections.api_client import ApiClient
from bringup.model import LeaseEvent
from bringup.settings import Settings
from bringup.wire.run import RunDecision
from bringup.wire.run_events import MediaRequest, RunEvent, RunEventReply, RunMedia
from tests.integration.api.conftest import LEASE, RUN_A
from tests.integration.server.conftest import ServedApi, StartApi

MIB = 1024**2
LOG = b"no lease yet\n\x1b[31mred\r\nlast \xff line"


@pytest.fixture
def served(start_api: StartApi, settings: Settings) -> ServedApi:
    """On a Redis whose data was cleared, by the second fixture."""
    return start_api(redis_port=str(settings.redis_port))


@pytest.fixture
def client(served: ServedApi) -> ApiClient:
    return served.await_health()


@pytest.fixture
def token(client: ApiClient) -> str:
    """Of a run whose image has been handed out."""
    client.put(f"/runs/{RUN_A}", LeaseEvent.model_validate(LEASE), RunDecision)
    client.post(f"/runs/{RUN_A}/events", RunEvent.model_validate({"type": "boot_started", "owner": "w"}), RunEventReply)
    url = client.post(f"/runs/{RUN_A}/media", MediaRequest(owner="w"), RunMedia).image_url
    return str(requests.get(url or "", timeout=180).json()["token"])


def put(served: ServedApi, token: str, body: bytes | Iterator[bytes]) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=180)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "text/plain"}
    connection.request("PUT", f"/api/v1/runs/{RUN_A}/artifacts/agent.log", body, headers)
    return connection.getresponse().status


def bringup(served: ServedApi, folder: Path, *words: str) -> "subprocess.CompletedProcess[bytes]":
    environ = {"PATH": os.environ["PATH"], "BRINGUP_ENV_FILE": str(folder / "empty.env"), **served.variables}
    program = [sys.executable, "-m", "bringup", *words]
    return subprocess.run(program, cwd=folder, env=environ, capture_output=True, check=False)


def test_a_body_in_chunks_is_taken_up_to_the_limit_and_not_beyond(served: ServedApi, token: str) -> None:
    assert put(served, token, iter([b"x" * 1024] * 1024)) == 201
    assert put(served, token, iter([b"x" * 1024] * 1025)) == 413


def test_what_is_announced_too_large_is_refused_before_it_is_sent(served: ServedApi, token: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=180)
    connection.putrequest("PUT", f"/api/v1/runs/{RUN_A}/artifacts/agent.log")
    connection.putheader("Authorization", f"Bearer {token}")
    connection.putheader("Content-Type", "text/plain")
    connection.putheader("Content-Length", str(MIB + 1))
    connection.endheaders()
    assert connection.getresponse().status == 413


def test_a_log_is_shown_without_driving_the_terminal(served: ServedApi, token: str, tmp_path: Path) -> None:
    put(served, token, LOG)
    shown = bringup(served, tmp_path, "run", "artifact", RUN_A, "agent.log")
    assert shown.stdout.decode() == "no lease yet\n\\x1b[31mred\\r\nlast \ufffd line\n"
    assert bringup(served, tmp_path, "run", "artifact", RUN_A, "agent.log", "--raw").stdout == LOG
    as_json = json.loads(bringup(served, tmp_path, "run", "artifact", RUN_A, "agent.log", "--output", "json").stdout)
    assert (as_json["name"], as_json["size"]) == ("agent.log", len(LOG))
    assert as_json["text"] == LOG.decode(errors="replace")


def test_a_run_shows_what_its_machine_has_left(served: ServedApi, token: str, tmp_path: Path) -> None:
    assert b"agent.log" not in bringup(served, tmp_path, "run", "show", RUN_A).stdout
    put(served, token, LOG)
    assert f"agent.log ({len(LOG)} bytes)".encode() in bringup(served, tmp_path, "run", "show", RUN_A).stdout


def test_an_artifact_that_is_not_there_is_one_message(served: ServedApi, token: str, tmp_path: Path) -> None:
    told = bringup(served, tmp_path, "run", "artifact", RUN_A, "dmesg.log")
    assert (told.returncode, told.stdout) == (1, b"")
    assert b"the machine has left no dmesg.log" in told.stderr
    assert b"agent.log, dmesg.log" in bringup(served, tmp_path, "run", "artifact", RUN_A, "x").stderr


def test_raw_bytes_never_go_to_a_terminal(served: ServedApi, token: str, tmp_path: Path) -> None:
    put(served, token, LOG)
    environ = {"PATH": os.environ["PATH"], "BRINGUP_ENV_FILE": str(tmp_path / "empty.env"), **served.variables}
    ours, theirs = os.openpty()
    program = [sys.executable, "-m", "bringup", "run", "artifact", RUN_A, "agent.log", "--raw"]
    told = subprocess.run(
        program, cwd=tmp_path, env=environ, stdout=theirs, stderr=subprocess.PIPE, check=False, timeout=180
    )
    os.close(theirs)
    os.close(ours)
    assert told.returncode == 2
    assert b"--raw writes to a file or a pipe only" in told.stderr
