"""`bringup explain` and `--dry-run` against a served API: they show what it decides, and switch nothing."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bringup.connections.api_client import ApiClient
from bringup.wire.operator import DeviceView
from bringup.wire.run import RunList
from tests.integration.server.conftest import ServedApi, StartApi


@pytest.fixture
def served(start_api: StartApi) -> ServedApi:
    return start_api()


@pytest.fixture
def client(served: ServedApi) -> ApiClient:
    return served.await_health()


def bringup(served: ServedApi, folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    environ = {"PATH": os.environ["PATH"], "BRINGUP_ENV_FILE": str(folder / "empty.env"), **served.variables}
    program = [sys.executable, "-m", "bringup", *words]
    return subprocess.run(program, cwd=folder, env=environ, capture_output=True, text=True, check=False)


def test_explain_shows_what_the_api_decides(served: ServedApi, client: ApiClient, tmp_path: Path) -> None:
    assert client.get("/devices/b", DeviceView).state == "approved"
    told = bringup(served, tmp_path, "explain", "b", "--output", "json")
    assert told.returncode == 0
    assert json.loads(told.stdout)["would_power"] is True
    told = bringup(served, tmp_path, "explain", "resting")
    assert told.stdout == (
        "resting would not be powered now.\n  because the machine is in maintenance: disk replacement\n"
    )


def test_a_dry_run_starts_nothing(served: ServedApi, client: ApiClient, tmp_path: Path) -> None:
    before = client.get("/runs", RunList)
    told = bringup(served, tmp_path, "device", "start", "b", "--dry-run")
    assert told.returncode == 0
    assert "switch the machine on" in told.stdout
    assert bringup(served, tmp_path, "device", "start", "active", "--dry-run").returncode == 1
    assert client.get("/runs", RunList) == before
    assert client.get("/devices/b", DeviceView).active_run is None
