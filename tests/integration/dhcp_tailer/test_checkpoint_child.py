"""A whole checkpoint that takes long to write is written by a child, which dies with its tailer."""

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from dhcp_tailer.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from dhcp_tailer.child import Child
from dhcp_tailer.journal import journals
from dhcp_tailer.open_file import Position, digest
from dhcp_tailer.resume import is_locked, locked
from dhcp_tailer.saver import Saver
from dhcp_tailer.sources.jsonl import JsonLines
from tests.integration.dhcp_tailer.conftest import wait_until


def at(offset: int) -> Position:
    return Position(device=1, inode=2, offset=offset, written_ns=3, head_sha256=digest(b""))


def slow_saver(file: Path, monkeypatch: pytest.MonkeyPatch, write: Any = write_checkpoint) -> Saver:
    """One whose first write was slow, so that a child makes all others."""
    monkeypatch.setattr("dhcp_tailer.saver.LONGEST_INLINE_S", -1)
    saver = Saver(file, parser=JsonLines(), path=Path("/x"))
    saver.save(at(1))
    monkeypatch.setattr("dhcp_tailer.saver.write_checkpoint", write)
    return saver


def save_whole(saver: Saver, position: Position) -> None:
    """As if the journal had become long."""
    saver._longest_journal, saver._next_whole_s = -1, 0.0
    saver.save(position)
    assert saver._child


def whole(file: Path) -> int:
    """The position in the whole checkpoint, without its journal."""
    return Checkpoint.model_validate_json(file.read_bytes()).position.offset


def offset(file: Path) -> int:
    kept = read_checkpoint(file)
    assert kept is not None
    return kept.position.offset


def await_offset(file: Path, wanted: int) -> None:
    deadline = time.monotonic() + 180
    while offset(file) != wanted:
        assert time.monotonic() < deadline, "it was not written in time"
        time.sleep(0.01)


def test_a_slow_write_is_made_by_a_child_while_we_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, (read, write) = tmp_path / "c.json", os.pipe()

    def when_asked(*arguments: Any) -> None:
        os.read(read, 1)
        write_checkpoint(*arguments)

    saver = slow_saver(file, monkeypatch, when_asked)
    save_whole(saver, at(2))
    child = saver._child
    saver.save(at(3))
    assert saver._child == child  # it still writes: another one is left to the next time
    assert whole(file) == 1
    await_offset(file, 3)
    os.write(write, b"x")
    saver._reap(wait=True)
    assert whole(file) == 2
    await_offset(file, 3)  # what came meanwhile is in its journal, too
    assert len(journals(file)) == 1
    os.write(write, b"x")
    saver.save(at(4), last=True)
    assert whole(file) == offset(file) == 4
    assert journals(file) == []
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
            save_whole(saver, at(2))
            saver._reap(wait=True)
            assert not saver._child
    assert [line["why"] for line in logged if "why" in line] == ["No space left on device"]
    assert whole(tmp_path / "c.json") == 1
    await_offset(tmp_path / "c.json", 2)
    assert len(journals(tmp_path / "c.json")) == 1


def test_a_child_that_was_killed_has_written_nothing() -> None:
    child = Child.fork(lambda: os.kill(os.getpid(), signal.SIGKILL))
    ended = child.ended(wait=True)
    assert ended
    assert ended.problem == "its process was ended by signal 9"


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
            save_whole(slow_saver(file, monkeypatch, forever), at(2))
            signal.pause()
        os._exit(0)
    os.read(read, 1)  # the child of our child is writing
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    wait_until(lambda: not is_locked(lock))  # the kernel ends the child after its parent, and not in the same moment
    with locked(lock):
        assert whole(file) == 1
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
    save_whole(saver, at(2))
    saver._reap(wait=True)
    now += 3  # 20 times its 0.3 s would be 6
    assert saver.due
    saver._longest_journal = -1
    saver.save(at(3))
    assert saver._child
    saver._reap(wait=True)
