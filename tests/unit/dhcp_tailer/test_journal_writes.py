"""How a journal is written: in which order, in parts, beside a child, and after an earlier start."""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from queue import Empty
from typing import Any

import pytest

from dhcp_tailer import checkpoint
from dhcp_tailer.accounting import Accounting
from dhcp_tailer.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from dhcp_tailer.child import Ended
from dhcp_tailer.journal import CheckpointJournal, JournalHead
from dhcp_tailer.sources.jsonl import JsonLines
from tests.unit.dhcp_tailer.savers import at, flushed, saver_of


def test_a_torn_journal_of_an_earlier_start_is_not_written_on(tmp_path: Path) -> None:
    """What is behind a torn line is never read."""
    file, accounting = tmp_path / "c.json", Accounting()
    for torn in (True, False):
        saver = saver_of(file, JsonLines(), accounting)
        saver.save(at(1))
        saver.save(at(2))
        journal = flushed(saver)
        if torn:
            journal.write_bytes(journal.read_bytes()[:-3])
    found = read_checkpoint(file)
    assert found
    assert found.position.offset == 2


def test_a_write_that_takes_a_part_of_a_line_is_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, write = tmp_path / "c.json", os.write
    saver = saver_of(file, JsonLines())
    saver.save(at(1))
    with monkeypatch.context() as patch:
        patch.setattr("os.write", lambda descriptor, data: write(descriptor, data[:7]))
        saver.save(at(2))
        flushed(saver)
    found = read_checkpoint(file)
    assert found
    assert found.position.offset == 2


def test_a_first_line_of_which_a_part_is_taken_is_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its first line nothing of a journal is read."""
    file, write = tmp_path / "c.json", os.write
    saver = saver_of(file, JsonLines())
    with monkeypatch.context() as patch:
        patch.setattr("os.write", lambda descriptor, data: write(descriptor, data[:7]))
        saver.save(at(1))
    saver.save(at(2))
    flushed(saver)
    found = read_checkpoint(file)
    assert found
    assert found.position.offset == 2


def test_a_reader_between_whose_looks_both_were_replaced_reads_the_new_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "c.json"
    saver = saver_of(file, JsonLines())
    saver.save(at(1))
    before = read_checkpoint(file)
    saver._longest_journal, saver._next_whole_s = -1, 0.0
    saver.save(at(2))
    saver.save(at(3))
    flushed(saver)
    looks = iter([before])
    monkeypatch.setattr(checkpoint, "_read_whole", lambda of: next(looks, None) or whole(of))
    found = read_checkpoint(file)
    assert found
    assert found.position.offset == 3


def whole(file: Path) -> Checkpoint:
    return Checkpoint.model_validate_json(file.read_bytes())


def test_only_the_owner_may_read_a_journal(tmp_path: Path) -> None:
    saver = saver_of(tmp_path / "c.json", JsonLines())
    saver.save(at(1))
    assert flushed(saver).stat().st_mode & 0o777 == 0o600


def test_a_journal_is_on_disk_before_the_whole_one_that_it_belongs_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a power failure could leave one whose later changes are read by nobody."""
    steps: list[str] = []

    def written(*arguments: Any) -> None:
        write_checkpoint(*arguments)
        steps.append("whole")

    monkeypatch.setattr(CheckpointJournal, "sync", lambda _: steps.append("journal"))
    monkeypatch.setattr("dhcp_tailer.saver.write_checkpoint", written)
    saver_of(tmp_path / "c.json", JsonLines()).save(at(1))
    assert steps == ["journal", "whole"]


@pytest.mark.parametrize("problem", [None, "No space left on device"])
def test_what_comes_while_a_child_writes_is_kept_whatever_becomes_of_the_child(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, problem: str | None
) -> None:
    children: list[WritesLater] = []

    def fork(write: Callable[[], None]) -> WritesLater:
        children.append(WritesLater(write, problem))
        return children[-1]

    file, parser = tmp_path / "c.json", JsonLines()
    monkeypatch.setattr("dhcp_tailer.saver.Child.fork", fork)
    changes = iter("abcdefg")
    monkeypatch.setattr(parser, "changes", lambda: next(changes))
    saver = saver_of(file, parser)
    saver.save(at(1))  # a
    saver._is_slow, saver._longest_journal, saver._next_whole_s = True, -1, 0.0
    saver.save(at(2))  # b, and c for the child
    saver.save(at(3))  # d
    children[0].has_ended = True
    saver.save(at(3))
    flushed(saver)
    found = read_checkpoint(file)
    assert found
    assert found.position.offset == 3
    assert found.changes == (["d"] if problem is None else ["b", "d", "e"])


def test_a_stop_waits_for_the_child_that_would_write_an_older_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    children: list[WritesLater] = []

    def fork(write: Callable[[], None]) -> WritesLater:
        children.append(WritesLater(write, None))
        return children[-1]

    file = tmp_path / "c.json"
    monkeypatch.setattr("dhcp_tailer.saver.Child.fork", fork)
    saver = saver_of(file, JsonLines())
    saver.save(at(1))
    saver._is_slow, saver._longest_journal, saver._next_whole_s = True, -1, 0.0
    saver.save(at(2))
    saver.save(at(3), last=True)
    children[0].finish()
    assert whole(file).position.offset == 3


class WritesLater:
    """A child that ends when a test wants it to."""

    def __init__(self, write: Callable[[], None], problem: str | None) -> None:
        self.has_ended = False
        self._write = write
        self._problem = problem

    def ended(self, *, wait: bool) -> Ended | None:
        if not (self.has_ended or wait):
            return None
        self.finish()
        return Ended(self._problem, 0.0)

    def finish(self) -> None:
        """Write, once."""
        write, self._write = self._write, lambda: None
        if self._problem is None:
            write()


def full(*_: Any) -> None:
    raise OSError(28, "No space left on device")


def test_a_stop_without_news_makes_the_journal_a_whole_one(tmp_path: Path) -> None:
    file = tmp_path / "c.json"
    saver = saver_of(file, JsonLines())
    saver.save(at(1))
    saver.save(at(2))
    saver.save(at(2), last=True)
    assert whole(file).position.offset == 2


def test_a_stop_on_a_full_disk_keeps_the_position_in_the_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "c.json"
    saver = saver_of(file, JsonLines())
    saver.save(at(1))
    monkeypatch.setattr("dhcp_tailer.saver.write_checkpoint", full)
    saver.save(at(2), last=True)
    found = read_checkpoint(file)
    assert found
    assert found.position.offset == 2


def test_a_position_that_could_not_be_written_is_written_later_without_news(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "c.json"
    saver = saver_of(file, JsonLines())
    with monkeypatch.context() as patch:
        patch.setattr("dhcp_tailer.saver.write_checkpoint", full)
        saver.save(at(1))
    assert read_checkpoint(file) is None
    for due_at in (1e9, 0.0):
        saver._next_whole_s = due_at
        saver.save(at(1))
    assert whole(file).position.offset == 1


def test_what_a_broken_journal_lacks_is_in_the_next_whole_one_without_news(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "c.json"
    saver = saver_of(file, JsonLines())
    saver.save(at(1))
    with monkeypatch.context() as patch:
        patch.setattr("os.fdatasync", full)
        saver.save(at(2))
        flushed(saver)
    saver._next_whole_s = 0.0
    saver.save(at(2))
    assert whole(file).position.offset == 2


def test_lines_are_written_at_once_and_synced_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sync for each would make the next lease wait for a disk on which Redis is, too."""
    syncs = list[int]()
    monkeypatch.setattr("dhcp_tailer.journal.SYNC_WITHIN_S", 600.0)
    monkeypatch.setattr("os.fdatasync", syncs.append)
    kept = CheckpointJournal(tmp_path / "c.journal", JournalHead(reader="r"))
    for _ in range(3):
        kept.append(b"line\n")
    deadline = time.monotonic() + 180
    while kept.file.read_bytes().count(b"line\n") < 3:
        assert time.monotonic() < deadline
        time.sleep(0.001)
    assert syncs == []
    kept.end(wait=True)
    assert len(syncs) == 1


def test_the_last_line_of_a_while_is_synced_although_none_follows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced = threading.Event()
    monkeypatch.setattr("dhcp_tailer.journal.SYNC_WITHIN_S", 0.01)
    monkeypatch.setattr("os.fdatasync", lambda _: synced.set())
    kept = CheckpointJournal(tmp_path / "c.journal", JournalHead(reader="r"))
    kept.append(b"line\n")
    assert synced.wait(60)
    kept.end(wait=True)


def test_a_line_is_synced_in_time_although_others_follow_it_without_a_pause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SteadyLines(every_s=0.4)
    monkeypatch.setattr("dhcp_tailer.journal.SimpleQueue", lambda: clock)
    monkeypatch.setattr("dhcp_tailer.journal.time", clock)
    monkeypatch.setattr("dhcp_tailer.journal.SYNC_WITHIN_S", 1.0)
    synced_at = list[float]()
    monkeypatch.setattr("os.fdatasync", lambda _: synced_at.append(clock.now))
    CheckpointJournal(tmp_path / "c.journal", JournalHead(reader="r")).end(wait=True)
    assert synced_at[0] == pytest.approx(1.4)  # the first line came at 0.4


class SteadyLines:
    """A queue in which a line comes each time that ``every_s`` is over, ten in all, and the clock for it."""

    def __init__(self, every_s: float) -> None:
        self.now = 0.0
        self._next_at = self._every_s = every_s

    def monotonic(self) -> float:
        return self.now

    def put(self, _line: bytes | None) -> None:
        """What comes is fixed."""

    def get(self, timeout: float = 600.0) -> bytes | None:
        if self._next_at > self.now + timeout:
            self.now += timeout
            raise Empty
        self.now, self._next_at = self._next_at, self._next_at + self._every_s
        return b"line\n" if self.now < 10 * self._every_s else None
