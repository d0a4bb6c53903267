"""A journal that cannot be made, written or removed stops no tailer."""

import json
from pathlib import Path
from typing import Any

import pytest

from dhcp_tailer.journal import journals
from dhcp_tailer.sources.jsonl import JsonLines
from tests.unit.dhcp_tailer.savers import at, flushed, saver_of


def test_a_journal_that_cannot_be_written_is_logged_once_and_replaced_when_the_disk_has_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, logged: Any
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    file = tmp_path / "c.json"
    saver = saver_of(file, JsonLines())
    saver.save(at(1))
    with monkeypatch.context() as patch:
        patch.setattr("os.fdatasync", full)
        saver.save(at(2))
        flushed(saver)
        patch.setattr("dhcp_tailer.saver.write_checkpoint", full)
        for _ in range(2):
            saver._next_whole_s = 0.0
            saver.save(at(3))
    assert [line["why"] for line in logged if "why" in line] == ["No space left on device"]
    saver._next_whole_s = 0.0
    saver.save(at(3))
    assert json.loads(file.read_text())["position"]["offset"] == 3
    assert logged[-1]["event"] == "the checkpoint can be written again"
    saver.save(at(4), last=True)


@pytest.mark.parametrize("refused", ["write_checkpoint", "Child.fork"])
def test_a_disk_that_turns_read_only_or_a_host_without_processes_stops_no_tailer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, logged: Any, refused: str
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(30, "Read-only file system")

    file = tmp_path / "c.json"
    saver = saver_of(file, JsonLines())
    saver.save(at(1))
    saver._is_slow = refused == "Child.fork"
    saver._journal, saver._next_whole_s = None, 0.0
    with monkeypatch.context() as patch:
        patch.setattr(f"dhcp_tailer.saver.{refused}", refuse)
        patch.setattr(Path, "unlink", refuse)
        saver.save(at(2))
    assert [line["why"] for line in logged if "why" in line] == ["Read-only file system"]
    saver.save(at(3), last=True)
    assert json.loads(file.read_text())["position"]["offset"] == 3
    assert journals(file) == []


def test_a_host_without_threads_stops_no_tailer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, logged: Any) -> None:
    def refuse(_self: Any) -> None:
        raise RuntimeError("can't start new thread")

    saver = saver_of(tmp_path / "c.json", JsonLines())
    with monkeypatch.context() as patch:
        patch.setattr("threading.Thread.start", refuse)
        saver.save(at(1))
    assert [line["why"] for line in logged if "why" in line] == ["can't start new thread"]
    saver.save(at(2), last=True)
    assert json.loads((tmp_path / "c.json").read_text())["position"]["offset"] == 2
