"""The highest change number on this host's disk: it never falls, and what cannot be trusted is an error."""

import fcntl
import os
import stat
import time
from pathlib import Path
from threading import Event, Thread
from types import SimpleNamespace

import pytest

from api.state import change_memory
from api.state.change_memory import ChangeMemory
from bringup.errors import StateDirUnavailable


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "api-change-number"


def remembered(path: Path) -> int:
    known = ChangeMemory(path).read()
    assert known
    return known.number


def test_a_lower_number_that_comes_late_is_not_remembered(path: Path) -> None:
    memory = ChangeMemory(path)
    assert memory.read() is None
    for number, known in ((7, 7), (3, 7), (7, 7), (8, 8)):
        memory.raise_to(number)
        assert remembered(path) == known


def test_all_that_wait_for_the_disk_share_one_write(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    memory, written = ChangeMemory(path), list[int]()
    write = memory._write

    def when_all_wait(number: int) -> None:
        deadline = time.monotonic() + 180
        while len(memory._awaited) < 10 and not written and time.monotonic() < deadline:
            time.sleep(0.001)
        written.append(number)
        write(number)

    monkeypatch.setattr(memory, "_write", when_all_wait)
    callers = [Thread(target=memory.raise_to, args=(number,)) for number in range(1, 11)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(60)
    assert remembered(path) == 10
    assert len(written) <= 2, "the first, and one for all others"
    assert memory._awaited == []


def test_only_a_person_lowers_the_number(path: Path) -> None:
    memory = ChangeMemory(path)
    memory.raise_to(7)
    memory.replace(3)
    assert remembered(path) == 3


@pytest.mark.parametrize("text", ["", "7", '{"number": -1, "at": "2026-11-29T10:00:00Z"}', "\x00"])
def test_a_damaged_file_is_an_error_and_is_not_written_over(path: Path, text: str) -> None:
    path.write_text(text)
    with pytest.raises(StateDirUnavailable, match="damaged"):
        ChangeMemory(path).raise_to(9)
    assert path.read_text() == text


def test_a_number_that_redis_could_not_count_on_from_is_damage(path: Path) -> None:
    path.write_text('{"number": 9223372036854775807, "at": "2026-11-29T10:00:00Z"}')
    with pytest.raises(StateDirUnavailable, match="damaged"):
        ChangeMemory(path).read()


def test_while_another_process_holds_the_lock_nothing_is_written_and_nobody_waits_for_ever(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(change_memory, "_LOCKED_S", 0.05)
    memory = ChangeMemory(path)
    memory.raise_to(1)
    other = os.open(path.with_suffix(".lock"), os.O_RDWR)
    fcntl.flock(other, fcntl.LOCK_EX)
    try:
        with pytest.raises(StateDirUnavailable, match="locked by another process"):
            memory.raise_to(2)
        assert remembered(path) == 1
    finally:
        os.close(other)
    memory.raise_to(2)
    assert remembered(path) == 2


def test_a_number_is_written_over_the_one_before(path: Path) -> None:
    memory = ChangeMemory(path)
    memory.raise_to(9)
    before = path.stat()
    memory.raise_to(10**12)
    assert (path.stat().st_ino, path.stat().st_size) == (before.st_ino, before.st_size)
    assert remembered(path) == 10**12


def test_the_file_of_an_older_build_is_replaced(path: Path) -> None:
    path.write_text('{"number":3,"at":"2026-11-29T10:00:00Z"}\n')
    ChangeMemory(path).raise_to(4)
    assert remembered(path) == 4
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_number_is_not_written_through_a_link(path: Path) -> None:
    other = path.with_name("another.json")
    ChangeMemory(other).raise_to(3)
    path.symlink_to(other)
    with pytest.raises(StateDirUnavailable, match="cannot be written"):
        ChangeMemory(path).raise_to(4)
    assert remembered(other) == 3


def test_a_reader_that_meets_a_write_reads_again_and_sees_no_damage(path: Path) -> None:
    memory = ChangeMemory(path)
    memory.raise_to(1)
    done = Event()

    def write_on() -> None:
        for number in range(2, 300):
            memory.raise_to(number)
        done.set()

    writer = Thread(target=write_on)
    writer.start()
    reader, last = ChangeMemory(path), 0
    while not done.is_set():
        known = reader.read()
        assert known
        assert known.number >= last
        last = known.number
    writer.join(60)


def test_a_half_written_file_is_read_again_when_its_writer_is_done(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = ChangeMemory(path)
    memory.raise_to(7)
    whole, looks = path.read_bytes(), list[bytes]()

    def first_half_then_whole(_path: Path) -> bytes:
        looks.append(whole if looks else whole[:20] + bytes(len(whole) - 20))
        return looks[-1]

    monkeypatch.setattr(Path, "read_bytes", first_half_then_whole)
    assert remembered(path) == 7
    assert len(looks) == 2


def test_a_half_written_file_is_not_called_damaged_while_its_writer_has_the_lock(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ChangeMemory(path).raise_to(7)
    whole, lock = path.read_bytes(), os.open(path.with_suffix(".lock"), os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX)
    path.write_bytes(whole[:20] + bytes(len(whole) - 20))

    def end_the_write(_wait_s: float) -> None:
        path.write_bytes(whole)
        fcntl.flock(lock, fcntl.LOCK_UN)

    monkeypatch.setattr("api.state.change_memory.time", SimpleNamespace(monotonic=time.monotonic, sleep=end_the_write))
    assert remembered(path) == 7
    os.close(lock)


@pytest.mark.parametrize("in_place", [True, False])
def test_what_could_not_be_written_leaves_no_file_behind(
    path: Path, monkeypatch: pytest.MonkeyPatch, *, in_place: bool
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    memory = ChangeMemory(path)
    memory.raise_to(1)
    if not in_place:
        path.write_bytes(path.read_bytes().rstrip())  # as an older build wrote it, and so replaced
    monkeypatch.setattr(os, "fsync", full)
    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(StateDirUnavailable, match="No space left"):
        memory.raise_to(2)
    assert remembered(path) == 1
    assert sorted(file.name for file in path.parent.iterdir()) == ["api-change-number", "api-change-number.lock"]
