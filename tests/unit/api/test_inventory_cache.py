"""The cache of a large inventory file: for how long it says that the file is wrong."""

import os
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from api.state import inventory_cache
from bringup import files


def test_that_a_file_was_wrong_counts_for_a_while_and_not_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, cache, now = tmp_path / "devices.toml", tmp_path / "cache", [1000.0]
    path.write_text("wrong")
    monkeypatch.setattr(os, "nice", lambda _more: 0)
    monkeypatch.setattr(time, "time", lambda: now[0])
    inventory_cache.main(path, cache)
    signature = files.signature(path)
    assert signature
    found = []
    for at in (1000.0, 1000.0 + inventory_cache.RETRY_S - 1, 1000.0 + inventory_cache.RETRY_S, 999.0):
        now[0] = at
        found.append(inventory_cache._cached(cache, signature) is not None)
    assert found == [True, True, False, False]


def test_the_process_that_reads_it_gets_no_setting_and_no_module_of_its_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[tuple[list[str], dict[str, str]]] = []

    def run(command: list[str], *, env: dict[str, str] | None = None, **_options: Any) -> Any:
        started.append((command, dict(os.environ) if env is None else env))
        return SimpleNamespace(returncode=0)

    monkeypatch.setenv("API_TOKEN", "a secret")
    monkeypatch.setattr(subprocess, "run", run)
    assert inventory_cache._run(Path("devices.toml"), Path("cache"))
    ((command, environment),) = started
    assert "-P" in command
    assert set(environment) <= {"PATH", "LANG", "LC_ALL", "PYTHONPATH"}


@pytest.mark.parametrize("is_late", [True, False])
def test_a_process_that_fails_or_does_not_end_has_read_nothing(
    monkeypatch: pytest.MonkeyPatch, *, is_late: bool
) -> None:
    def run(command: list[str], **_options: Any) -> Any:
        if is_late:
            raise subprocess.TimeoutExpired(command, 120)
        return SimpleNamespace(returncode=1)

    monkeypatch.setattr(subprocess, "run", run)
    assert not inventory_cache._run(Path("devices.toml"), Path("cache"))


@pytest.mark.parametrize("line", [b"", b"o123 {", b'o123 {"name": 1}'])
def test_a_cache_that_is_damaged_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: bytes) -> None:
    path, cache = tmp_path / "devices.toml", tmp_path / "cache"
    path.write_text("")
    monkeypatch.setattr(os, "nice", lambda _more: 0)
    inventory_cache.main(path, cache)
    signature = files.signature(path)
    assert signature
    found = inventory_cache._cached(cache, signature)
    assert found
    assert inventory_cache._made(signature, found[0], [line]) is None
