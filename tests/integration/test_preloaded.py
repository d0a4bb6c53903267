"""A service that begins with its libraries loaded is a process of its own, as a fresh interpreter would be."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import preloaded
from tests.conftest import PASSWORD, RedisServer
from tests.integration.workers.site import eventually

Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


@pytest.fixture
def start(tmp_path: Path, log: Path) -> Iterator[Start]:
    """Starts services; they are killed with the test."""
    started: list[subprocess.Popen[bytes]] = []

    def begin(*arguments: str, start_new_session: bool = False, **environ: str) -> "subprocess.Popen[bytes]":
        with log.open("ab") as output:
            process = preloaded.start(
                arguments,
                cwd=tmp_path,
                env={"PATH": os.environ["PATH"], **environ},
                log=output.fileno(),
                start_new_session=start_new_session,
            )
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.wait(180)


def test_it_has_the_environment_and_the_folder_that_it_is_given_and_no_other(
    start: Start, tmp_path: Path, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_PORT", "1111")
    (tmp_path / "of-this-folder.env").write_text("REDIS_HOST=redis.example.net\n")
    assert start("--env-file", "of-this-folder.env", "config", IMAGE_PORT="7777").wait(180) == 0
    shown = log.read_text()
    assert "redis.example.net" in shown
    assert "7777" in shown
    assert "1111" not in shown


def test_it_imports_from_pythonpath(start: Start, tmp_path: Path) -> None:
    """Of a package that services do not load, another one that is before it on the path."""
    (tmp_path / "path/selftest").mkdir(parents=True)
    (tmp_path / "path/selftest/__init__.py").write_text("raise SystemExit(77)")
    assert start("selftest", "--list").wait(180) == 0
    assert start("selftest", "--list", PYTHONPATH=str(tmp_path / "path")).wait(180) == 77


def test_its_exit_status_and_its_signal_are_reported(start: Start, log: Path, shared_redis: RedisServer) -> None:
    refused = start("tail", DHCP_SOURCE="nonsense")
    assert refused.wait(180) == refused.poll() == 2
    assert "DHCP_SOURCE" in log.read_text()
    tailer = start("tail", REDIS_PORT=str(shared_redis.port), REDIS_PASSWORD=PASSWORD, DHCP_PATH="leases")
    assert tailer.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        tailer.wait(0)
    tailer.kill()
    assert tailer.wait(180) == -signal.SIGKILL


def test_signals_reach_it_and_a_session_of_its_own_is_one(start: Start, log: Path, shared_redis: RedisServer) -> None:
    given = {"REDIS_PORT": str(shared_redis.port), "REDIS_PASSWORD": PASSWORD, "DHCP_PATH": "leases"}
    tailer = start("tail", start_new_session=True, STATE_DIR="state", **given)
    eventually(lambda: "waiting for it" in log.read_text(), 60, "it works")
    assert os.getsid(tailer.pid) == tailer.pid
    tailer.send_signal(signal.SIGTERM)
    assert tailer.wait(180) == 0
    with pytest.raises(ProcessLookupError):
        os.kill(tailer.pid, 0)
