"""Rotation by renaming and by copying, seen while running and found after a restart."""

import itertools
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from dhcp_tailer.follower import FileFollower
from dhcp_tailer.open_file import Position

SECONDS = itertools.count(1_700_000_000)


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)
    touch(path)


def touch(path: Path) -> None:
    """A second passes: the steps of a test are quicker than a file system's clock."""
    os.utime(path, (now := next(SECONDS), now))


def rename(path: Path, files: int = 5) -> None:
    """As logrotate does it: .1 becomes .2, the file becomes .1."""
    for number in range(files, 0, -1):
        older = path.with_name(f"{path.name}.{number}")
        if older.exists():
            older.rename(path.with_name(f"{path.name}.{number + 1}"))
    path.rename(path.with_name(f"{path.name}.1"))


def copytruncate(path: Path) -> None:
    rename(path)
    rotated = path.with_name(f"{path.name}.1")
    rotated.rename(path)  # the file keeps its inode
    shutil.copyfile(path, rotated)
    touch(rotated)
    os.truncate(path, 0)
    touch(path)


@pytest.fixture
def stopped(log_file: Path, reader: Any) -> Position:
    """Where a tailer stopped that had read ``one`` of ``one two``."""
    append(log_file, b"one\n")
    reading = reader(FileFollower(log_file))
    reading.drain()
    position: Position = reading.follower.position
    reading.follower.close()
    append(log_file, b"two\n")
    return position


def resumed(reader: Any, log_file: Path, position: Position) -> list[bytes]:
    reading = reader(FileFollower(log_file, Position.model_validate_json(position.model_dump_json())))
    got: list[bytes] = reading.drain()
    return got


def test_the_old_file_is_read_to_its_end_before_the_new_one(log_file: Path, reader: Any) -> None:
    append(log_file, b"one\n")
    reading = reader(FileFollower(log_file))
    reading.drain()
    append(log_file, b"two\n")
    rename(log_file)
    append(log_file, b"three\n")
    assert reading.drain() == [b"two", b"three"]


def test_a_writer_that_has_not_reopened_yet_loses_nothing(log_file: Path, reader: Any) -> None:
    append(log_file, b"one\n")
    reading = reader(FileFollower(log_file))
    with log_file.open("ab", buffering=0) as writer:
        reading.drain()
        rename(log_file)
        log_file.touch()
        assert reading.drain() == []
        writer.write(b"two\n")
        assert reading.drain() == [b"two"]
        writer.write(b"three\n")
    append(log_file, b"four\n")
    assert reading.drain() == [b"three", b"four"]


def test_a_line_that_rotation_cut_off_is_damaged(log_file: Path, reader: Any) -> None:
    append(log_file, b"one\nDHCPACK(br0) 10.0.")
    reading = reader(FileFollower(log_file))
    reading.drain()
    rename(log_file)
    append(log_file, b"two\n")
    assert reading.drain() == [b"two"]
    assert reading.damaged == ["its line never ended"]


def test_two_rotations_between_two_looks_lose_nothing(log_file: Path, reader: Any) -> None:
    append(log_file, b"one\n")
    reading = reader(FileFollower(log_file))
    reading.drain()
    for line in (b"two\n", b"three\n"):
        rename(log_file)
        append(log_file, line)
    assert reading.drain() == [b"two", b"three"]


def test_copytruncate_loses_nothing(log_file: Path, reader: Any) -> None:
    append(log_file, b"one\n")
    reading = reader(FileFollower(log_file))
    reading.drain()
    append(log_file, b"two\n")
    copytruncate(log_file)
    append(log_file, b"three\n")
    assert reading.drain() == [b"two", b"three"]


def test_a_file_replaced_by_a_longer_copy_of_itself_is_read_on(log_file: Path, reader: Any, tmp_path: Path) -> None:
    append(log_file, b"one\n")
    reading = reader(FileFollower(log_file))
    reading.drain()
    new = tmp_path / "editor"
    new.write_bytes(b"one\ntwo\n")
    new.rename(log_file)
    assert reading.drain() == [b"two"]


def test_a_restart_goes_on_where_it_stopped(log_file: Path, reader: Any, stopped: Position) -> None:
    assert resumed(reader, log_file, stopped) == [b"two"]


def test_a_restart_after_rotation_reads_the_old_file_first(log_file: Path, reader: Any, stopped: Position) -> None:
    rename(log_file)
    append(log_file, b"three\n")
    assert resumed(reader, log_file, stopped) == [b"two", b"three"]


def test_a_restart_after_two_rotations_reads_all_that_is_left(log_file: Path, reader: Any, stopped: Position) -> None:
    for line in (b"three\n", b"four\n"):
        rename(log_file)
        append(log_file, line)
    assert resumed(reader, log_file, stopped) == [b"two", b"three", b"four"]


def test_a_restart_after_rotation_does_not_wait_for_the_new_file(
    log_file: Path, reader: Any, stopped: Position
) -> None:
    rename(log_file)
    assert resumed(reader, log_file, stopped) == [b"two"]


def test_a_restart_after_copytruncate_reads_the_copy_first(log_file: Path, reader: Any, stopped: Position) -> None:
    copytruncate(log_file)
    append(log_file, b"three\n")
    assert resumed(reader, log_file, stopped) == [b"two", b"three"]


def test_a_restart_after_two_copytruncates_reads_all_that_is_left(
    log_file: Path, reader: Any, stopped: Position
) -> None:
    copytruncate(log_file)
    append(log_file, b"three\n")
    copytruncate(log_file)
    append(log_file, b"four\n")
    assert resumed(reader, log_file, stopped) == [b"two", b"three", b"four"]


def test_a_restart_whose_file_is_gone_says_so_and_reads_the_new_one(
    log_file: Path, reader: Any, stopped: Position, logged: Any
) -> None:
    log_file.unlink()
    append(log_file, b"three\n")
    assert resumed(reader, log_file, stopped) == [b"three"]
    assert any("may be lost" in line["event"] for line in logged)


def test_a_restart_whose_file_is_gone_reads_the_newer_ones(log_file: Path, reader: Any, stopped: Position) -> None:
    log_file.unlink()
    append(log_file, b"three\n")
    rename(log_file)
    append(log_file, b"four\n")
    assert resumed(reader, log_file, stopped) == [b"three", b"four"]


def test_another_file_under_the_same_inode_is_not_taken_for_ours(
    log_file: Path, reader: Any, stopped: Position, logged: Any
) -> None:
    log_file.write_bytes(b"eno\nowt\n")  # same inode, same size, other records
    assert resumed(reader, log_file, stopped) == [b"eno", b"owt"]
    assert any("may be lost" in line["event"] for line in logged)


def test_files_that_only_look_rotated_are_left_alone(log_file: Path, reader: Any) -> None:
    append(log_file, b"one\n")
    reading = reader(FileFollower(log_file))
    reading.drain()
    append(log_file.with_name("dnsmasq.log.swp"), b"not ours\n")
    append(log_file.with_name("dnsmasq.log.2.gz"), b"not ours\n")
    append(log_file.with_name("dnsmasq.leases"), b"not ours\n")
    rename(log_file)
    append(log_file, b"two\n")
    assert reading.drain() == [b"two"]


def test_an_older_file_is_not_read_again(log_file: Path, reader: Any) -> None:
    append(log_file, b"one\n")
    reading = reader(FileFollower(log_file))
    reading.drain()
    append(log_file.with_name("dnsmasq.log.1"), b"old\n")  # its writer was late
    append(log_file, b"two\n")
    reading.drain()
    rename(log_file)
    append(log_file, b"three\n")
    assert reading.drain() == [b"three"]


def test_files_that_were_opened_and_not_read_keep_their_order(log_file: Path, reader: Any) -> None:
    append(log_file, b"one\n")
    reading = reader(FileFollower(log_file))
    reading.drain()
    for line in (b"two\n", b"thr"):
        rename(log_file)
        append(log_file, line)
    (two,) = reading.follower.poll(1)
    reading.follower.done(two)
    append(log_file, b"ee\n")
    for line in (b"four\n", b"five\n"):
        rename(log_file)
        append(log_file, line)
    assert reading.drain() == [b"three", b"four", b"five"]


def test_a_restart_before_the_first_record_and_after_copytruncate_reads_the_copy(log_file: Path, reader: Any) -> None:
    append(log_file, b"on")
    reading = reader(FileFollower(log_file))
    reading.drain()
    append(log_file, b"e\n")
    copytruncate(log_file)
    append(log_file, b"two\n")
    assert resumed(reader, log_file, reading.follower.position) == [b"one", b"two"]


ALIKE = b"the same\n" * 1000  # longer than the head that names a file


def test_a_file_written_anew_that_only_begins_like_ours_is_read_whole_after_a_restart(
    log_file: Path, reader: Any
) -> None:
    """A lease file begins with the leases that last; its inode may be used again."""
    append(log_file, ALIKE + b"one\n")
    reading = reader(FileFollower(log_file))
    reading.drain()
    position = reading.follower.position
    reading.follower.close()
    log_file.write_bytes(ALIKE + b"two\nthree\n")
    assert resumed(reader, log_file, position)[-2:] == [b"two", b"three"]


def test_a_file_written_anew_that_only_begins_like_ours_is_read_whole_while_we_follow(
    log_file: Path, reader: Any
) -> None:
    append(log_file, ALIKE + b"one\n")
    reading = reader(FileFollower(log_file))
    reading.drain()
    log_file.write_bytes(ALIKE + b"two\nthree\n")
    assert reading.drain()[-2:] == [b"two", b"three"]


def test_a_checkpoint_that_knows_no_tail_is_gone_on_from(log_file: Path, reader: Any, stopped: Position) -> None:
    assert resumed(reader, log_file, stopped.model_copy(update={"tail_sha256": ""})) == [b"two"]
