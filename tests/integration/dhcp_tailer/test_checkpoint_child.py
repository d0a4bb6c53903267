"""A checkpoint that takes long to write is written by a child, which dies with its tailer."""

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from dhcp_tailer.checkpoint import Saver, read_checkpoint, write_checkpoint
from dhcp_tailer.open_file import Position, digest
from dhcp_tailer.resume import locked


def at(offset: int) -> Position:
    return Position(device=1, inode=2, offset=offset, written_ns=3, head_sha256=digest(b""))


def slow_saver(file: Path, monkeypatch: pytest.MonkeyPatch, write: Any = write_checkpoint) -> Saver:
    """One whose first write was slow, so that a child makes all others."""
    monkeypatch.setattr("dhcp_tailer.checkpoint.LONGEST_INLINE_S", -1)
    saver = Saver(file, source="jsonl", path=Path("/x"), state=lambda: None)
    saver.save(at(1))
    monkeypatch.setattr("dhcp_tailer.checkpoint.write_checkpoint", write)
    return saver


def offset(file: Path) -> int:
    kept = read_checkpoint(file)
    assert kept is not None
    return kept.position.offset


def test_a_slow_write_is_made_by_a_child_while_we_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, (read, write) = tmp_path / "c.json", os.pipe()

    def when_asked(*arguments: Any) -> None:
        os.read(read, 1)
        write_checkpoint(*arguments)

    saver = slow_saver(file, monkeypatch, when_asked)
    saver.save(at(2))
    saver.save(at(3))  # the child still writes: left to the next time
    assert not saver.due
    assert offset(file) == 1
    os.write(write, b"xx")
    saver.save(at(4), last=True)
    assert offset(file) == 4
    os.close(read)
    os.close(write)


def test_a_child_that_cannot_write_is_logged_once_and_the_old_one_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    saver = slow_saver(tmp_path / "c.json", monkeypatch, full)
    with capture_logs() as logged:
        for _ in range(2):
            saver.save(at(2))
            assert saver._child
            assert saver._reap(wait=True)
    assert [line["why"] for line in logged if "why" in line] == ["No space left on device"]
    assert offset(tmp_path / "c.json") == 1


def test_the_child_of_a_tailer_that_was_killed_dies_with_it_and_only_then_the_lock_is_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise it would write an old checkpoint over that of the next tailer."""
    file, lock, (read, write) = tmp_path / "c.json", tmp_path / "c.lock", os.pipe()

    def forever(*_: Any) -> None:
        os.write(write, b"x")
        signal.pause()

    if not (pid := os.fork()):
        with locked(lock):
            slow_saver(file, monkeypatch, forever).save(at(2))
            signal.pause()
        os._exit(0)
    os.read(read, 1)  # the child of our child is writing
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    with locked(lock):
        assert offset(file) == 1
    os.close(read)
    os.close(write)


def test_a_child_that_waits_for_a_slow_disk_makes_no_checkpoint_late(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counts that are not in the checkpoint are lost in a kill: only the CPU time of the child is to be saved."""

    def slow(*arguments: Any) -> None:
        time.sleep(0.3)
        write_checkpoint(*arguments)

    now = time.monotonic()
    saver = slow_saver(tmp_path / "c.json", monkeypatch, slow)
    saver._clock = lambda: now
    saver.save(at(2))
    assert saver._reap(wait=True)
    now += 3  # 20 times its 0.3 s would be 6
    assert saver.due
