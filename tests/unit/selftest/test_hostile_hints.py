"""A hint is copied into a shell: no name in it may be more than a name."""

import shlex
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bringup.wire.operator import QuarantinedJob, QueueList, QueueView
from pki.check import Finding
from selftest import diagnosis, redis_host
from selftest.checks import chain, redis_server
from selftest.target_installation import TargetInstallation

HOSTILE = ["x; touch /tmp/x", "$(id)", "`id`", "a b", "x\nrm -rf ~", "x' 'y", "x && y", "x|y", "x>y", "\x1b[2J"]


@pytest.mark.parametrize("name", HOSTILE)
def test_the_id_of_a_job_in_quarantine_is_one_word(target: TargetInstallation, name: str) -> None:
    job = QuarantinedJob(job_id=name, queue="leases", reason="no JSON", at=datetime(2026, 1, 1, tzinfo=UTC))
    queue = QueueView(name="leases", queued=0, started=0, scheduled=0, failed=0, quarantined=1, workers=1)
    found = chain._jobs(target, QueueList(queues=(queue,), quarantine=(job,)))
    assert shlex.split(found.hint) == ["bringup", "queues", "requeue", name]
    assert f"`bringup queues discard {shlex.quote(name)}`" in found.cause


@pytest.mark.parametrize("name", HOSTILE)
def test_the_name_of_a_machine_is_one_word(
    target: TargetInstallation, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chain, "_addresses", lambda _target: [SimpleNamespace(name=name)])
    monkeypatch.setattr(chain, "_ask_all", lambda _target, asked: ["off" for _ in asked])
    assert shlex.split(chain._bmcs(target).hint) == ["bringup", "bmc", "check", name]


@pytest.mark.parametrize("name", HOSTILE)
def test_the_file_of_a_key_is_one_word(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    key = tmp_path / name
    monkeypatch.setattr(diagnosis, "_is_encrypted", lambda _key: True)
    server: Any = SimpleNamespace(identity=SimpleNamespace(key=key))
    refused: Any = SimpleNamespace(problems=[])
    found: Finding = diagnosis._unusable_files(server, refused)
    assert shlex.split(found.hint)[:3] == ["openssl", "pkey", "-in"]
    assert shlex.split(found.hint)[3] == str(key)


@pytest.mark.parametrize("name", HOSTILE)
def test_the_socket_of_redis_is_one_word(
    target: TargetInstallation, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / name.replace("/", "")
    path.touch(mode=0o777)
    path.chmod(0o777)
    monkeypatch.setattr(redis_host, "configuration", lambda _target: {"unixsocket": [str(path)]})
    assert redis_server._socket(target).hint.endswith(f"chmod 700 {shlex.quote(str(path))}")
