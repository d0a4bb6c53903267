"""The checkpoint on disk, its lock, and how often it is written."""

import os
from pathlib import Path
from typing import Any

import pytest

from bringup.errors import PermanentError
from dhcp_tailer.accounting import Accounting
from dhcp_tailer.checkpoint import Checkpoint, checkpoint_file, read_checkpoint, write_checkpoint
from dhcp_tailer.open_file import Position, digest
from dhcp_tailer.resume import locked, resume
from dhcp_tailer.saver import Saver
from dhcp_tailer.sources.dnsmasq_log import DnsmasqLog
from dhcp_tailer.sources.jsonl import JsonLines


def at(offset: int) -> Position:
    return Position(device=1, inode=2, offset=offset, written_ns=3, head_sha256=digest(b""))


def checkpoint(offset: int = 7) -> Checkpoint:
    return Checkpoint(source="dnsmasq-log", path="/x", position=at(offset), state={"clients": [], "transactions": []})


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "c.json", checkpoint())
    assert read_checkpoint(tmp_path / "c.json") == checkpoint()


def test_only_the_owner_may_read_it(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        write_checkpoint(tmp_path / "c.json", checkpoint())
    finally:
        os.umask(old)
    assert (tmp_path / "c.json").stat().st_mode & 0o777 == 0o600


def test_none_is_read_where_there_is_none(tmp_path: Path) -> None:
    assert read_checkpoint(tmp_path / "c.json") is None


def test_one_that_cannot_be_read_is_no_reason_to_begin_anew(tmp_path: Path) -> None:
    (tmp_path / "c.json").mkdir()
    with pytest.raises(PermanentError, match="STATE_DIR"):
        read_checkpoint(tmp_path / "c.json")


def test_a_write_that_fails_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "c.json"
    write_checkpoint(file, checkpoint(7))

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_checkpoint(file, checkpoint(8))
    assert read_checkpoint(file) == checkpoint(7)


def test_two_files_followed_have_two_checkpoints(tmp_path: Path) -> None:
    a, b = (checkpoint_file(tmp_path, "jsonl", Path(p)) for p in ("/a/leases.json", "/b/leases.json"))
    assert a != b
    assert a.parent == tmp_path


@pytest.mark.parametrize("damage", [b"", b"{", b"\xff", b"{}", b'{"version": 2}', b"null"])
def test_a_damaged_one_is_logged_in_one_line_and_reading_begins_anew(
    tmp_path: Path, log_file: Path, logged: Any, damage: bytes
) -> None:
    (tmp_path / "c.json").write_bytes(damage)
    follower = resume(log_file, DnsmasqLog(), Accounting(), tmp_path / "c.json", from_end=True)
    assert follower.position is None
    (line,) = logged
    assert line["event"] == "the checkpoint is damaged; reading from the beginning"
    assert "\n" not in line["why"]


def test_one_with_a_foreign_state_is_damaged(tmp_path: Path, log_file: Path, logged: Any) -> None:
    write_checkpoint(tmp_path / "c.json", checkpoint().model_copy(update={"state": {"clients": 1}}))
    assert resume(log_file, DnsmasqLog(), Accounting(), tmp_path / "c.json", from_end=False).position is None
    assert len(logged) == 1


def test_a_second_tailer_is_refused_with_the_holder_of_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dhcp_tailer.resume._LOCK_TIMEOUT_S", 0.05)
    with locked(tmp_path / "state" / "c.lock"):
        with (
            pytest.raises(PermanentError, match=f"process {os.getpid()}"),
            locked(tmp_path / "state" / "c.lock"),
        ):
            pytest.fail("two hold it")
        with pytest.raises(PermanentError), locked(tmp_path / "state" / "c.lock"):
            pytest.fail("the refused one let it go")
    with locked(tmp_path / "state" / "c.lock"):
        pass


def test_a_state_dir_that_cannot_be_made_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(PermanentError, match="STATE_DIR"), locked(tmp_path / "file" / "c.lock"):
        pass


def test_a_busy_tailer_writes_five_times_a_second_and_an_idle_one_not_at_all(tmp_path: Path) -> None:
    now = 0.0
    written: list[int] = []

    class Noted(JsonLines):
        """Written is its state, or what has changed of it."""

        def changes(self) -> None:
            written.append(round(now * 1000))

    saver = Saver(tmp_path / "c.json", parser=Noted(), path=Path("/x"), clock=lambda: now)
    for step in range(100):
        now = step / 128
        if saver.due:
            saver.save(at(step))
    assert written == [0, 203, 406, 609]
    now = 2
    saver.save(at(99))
    now = 3
    saver.save(at(99))
    assert written[4:] == [2000]


def test_a_slow_disk_is_written_to_less_often(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    written: list[float] = []

    def slow(*arguments: Any) -> None:
        nonlocal now
        write_checkpoint(*arguments)
        written.append(now)
        now += 1

    monkeypatch.setattr("dhcp_tailer.saver.write_checkpoint", slow)
    saver = Saver(tmp_path / "c.json", parser=JsonLines(), path=Path("/x"), clock=lambda: now)
    for step in range(60):
        saver._longest_journal = -1  # the next one is a whole one
        if saver.due:
            saver.save(at(step))
        now += 1
    assert written == [0, 21, 42]
