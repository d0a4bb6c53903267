"""Following one file that grows, is cut, is absent."""

import os
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from dhcp_tailer.follower import FileFollower
from dhcp_tailer.open_file import HEAD


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def test_records_come_once_and_in_order_as_the_file_grows(log_file: Path, reader: Any) -> None:
    reading = reader(FileFollower(log_file))
    append(log_file, b"one\ntwo\nthr")
    assert reading.drain() == [b"one", b"two"]
    append(log_file, b"ee\n")
    assert reading.drain() == [b"three"]
    assert reading.drain() == []


def test_a_poll_gives_no_more_than_it_was_asked_for(log_file: Path) -> None:
    log_file.write_bytes(b"line\n" * 10)
    follower = FileFollower(log_file)
    assert len(follower.poll(4)) == 4


def test_position_does_not_move_before_a_record_is_done(log_file: Path) -> None:
    log_file.write_bytes(b"one\ntwo\n")
    follower = FileFollower(log_file)
    first, second = follower.poll(2)
    assert follower.position is not None
    assert follower.position.offset == 0
    follower.done(first)
    assert follower.position.offset == 4
    follower.done(second)
    assert follower.position.offset == 8


def test_an_absent_file_is_logged_once_and_read_when_it_comes(log_file: Path, reader: Any, logged: Any) -> None:
    reading = reader(FileFollower(log_file))
    assert [reading.drain() for _ in range(5)] == [[]] * 5
    assert [line["log_level"] for line in logged] == ["warning"]
    append(log_file, b"one\n")
    assert reading.drain() == [b"one"]
    assert [line["event"] for line in logged[1:]] == ["the file can be read again"]


def test_a_directory_in_place_of_the_file_is_waited_out(log_file: Path, reader: Any, logged: Any) -> None:
    log_file.mkdir()
    reading = reader(FileFollower(log_file))
    assert reading.drain() == []
    assert logged[0]["why"] == "is not a regular file"
    log_file.rmdir()
    append(log_file, b"one\n")
    assert reading.drain() == [b"one"]


def test_a_pipe_in_place_of_the_file_does_not_block(log_file: Path, reader: Any) -> None:
    os.mkfifo(log_file)
    assert reader(FileFollower(log_file)).drain() == []


def test_permission_lost_is_logged_once_and_nothing_is_lost_when_it_is_back(
    log_file: Path, reader: Any, logged: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    append(log_file, b"one\n")
    reading = reader(FileFollower(log_file))
    reading.drain()
    log_file.rename(log_file.with_suffix(".log.1"))
    append(log_file, b"two\n")
    real = os.open

    def refuse(*args: Any, **kwargs: Any) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)  # root may read everything, so the refusal is played
    assert [reading.drain() for _ in range(3)] == [[]] * 3
    assert [line.get("why") for line in logged] == ["Permission denied"]
    monkeypatch.setattr(os, "open", real)
    assert reading.drain() == [b"two"]


def test_from_end_leaves_out_what_is_whole_and_keeps_what_is_not(log_file: Path, reader: Any) -> None:
    append(log_file, b"old\nold\nne")
    reading = reader(FileFollower(log_file, from_end=True))
    assert reading.drain() == []
    append(log_file, b"w\n")
    assert reading.drain() == [b"new"]


def test_from_end_of_a_file_that_is_not_there_yet_is_its_beginning(log_file: Path, reader: Any) -> None:
    reading = reader(FileFollower(log_file, from_end=True))
    reading.drain()
    append(log_file, b"one\n")
    assert reading.drain() == [b"one"]


@pytest.mark.parametrize("cut_at", [0, 5])
def test_a_truncated_file_is_read_from_its_beginning_and_said(
    log_file: Path, reader: Any, logged: Any, cut_at: int
) -> None:
    append(log_file, b"one\ntwo\n")
    reading = reader(FileFollower(log_file))
    reading.drain()
    os.truncate(log_file, cut_at)
    reading.drain()
    append(log_file, b"new\n")
    assert reading.drain()[-1].endswith(b"new")
    assert any("truncated" in line["event"] for line in logged)


def test_a_file_truncated_behind_its_head_is_read_from_its_beginning(log_file: Path, reader: Any, logged: Any) -> None:
    append(log_file, b"line\n" * HEAD)
    reading = reader(FileFollower(log_file))
    reading.drain()
    os.truncate(log_file, 5 * (HEAD - 1))
    assert len(reading.drain()) == HEAD - 1
    assert any("truncated" in line["event"] for line in logged)


def test_a_file_written_anew_in_place_and_grown_longer_is_read_from_its_beginning(
    log_file: Path, reader: Any, logged: Any
) -> None:
    append(log_file, b"one\ntwo\n")
    reading = reader(FileFollower(log_file))
    reading.drain()
    log_file.write_bytes(b"three\nfour\nfive\n")
    assert reading.drain() == [b"three", b"four", b"five"]
    assert any("written anew" in line["event"] for line in logged)


def test_a_record_longer_than_64_kib_is_skipped_and_the_next_is_read(log_file: Path, reader: Any) -> None:
    append(log_file, b"x" * 1_000_000 + b"\nnext\n")
    reading = reader(FileFollower(log_file))
    assert reading.drain() == [b"next"]
    assert reading.damaged == ["longer than 65536 bytes"]


def test_memory_stays_flat_over_a_line_of_256_mib(log_file: Path, reader: Any) -> None:
    append(log_file, b"first\n")
    os.truncate(log_file, 256 * 1024**2)  # sparse: one line of zeros
    append(log_file, b"\nlast\n")
    reading = reader(FileFollower(log_file))
    tracemalloc.start()
    try:
        assert reading.drain() == [b"first", b"last"]
        assert tracemalloc.get_traced_memory()[1] < 2 * 1024**2
    finally:
        tracemalloc.stop()


def test_the_head_that_names_a_file_never_reaches_beyond_what_was_read(log_file: Path, reader: Any) -> None:
    append(log_file, b"a" * 10 + b"\nb")
    reading = reader(FileFollower(log_file))
    reading.drain()
    early = reading.follower.position
    append(log_file, b"b" * 2 * HEAD + b"\n")
    reading.drain()
    assert early.head_length == 11
    assert early.begins(log_file.read_bytes())
    assert reading.follower.position.head_length == HEAD
