"""The audit log: every line follows the one before it, and whatever was taken away or changed is found."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread

import pytest

from bringup import audit
from bringup.audit import AuditEntry, AuditLog, AuditResult, read
from bringup.audit_chain import Head, head_of, verify
from bringup.errors import AuditError

ENTRY = AuditEntry(
    at=datetime(2026, 1, 1, tzinfo=UTC),
    who="alice",
    role="operator",
    address="192.0.2.1",
    action="run.abort",
    target="run/r1",
    result=AuditResult.DONE,
    before="booting",
    after="aborted",
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "audit.jsonl"
    log = AuditLog(path)
    for number in range(5):
        log.append(ENTRY.model_copy(update={"target": f"run/r{number}"}))
    return path


def lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


def test_a_log_as_it_was_written_is_whole(path: Path) -> None:
    assert verify(path).number == 5
    assert [entry.target for entry in read(path)] == [f"run/r{number}" for number in range(5)]


def test_a_log_that_was_never_written_is_whole(tmp_path: Path) -> None:
    assert verify(tmp_path / "audit.jsonl") == Head()


@pytest.mark.parametrize("removed", range(4))
def test_a_line_that_was_removed_is_found(path: Path, removed: int) -> None:
    path.write_bytes(b"".join(line for number, line in enumerate(lines(path)) if number != removed))
    with pytest.raises(AuditError, match=f"line {removed + 1}:"):
        verify(path)


@pytest.mark.parametrize("kept", range(5))
def test_lines_that_were_removed_at_the_end_are_found(path: Path, kept: int) -> None:
    path.write_bytes(b"".join(lines(path)[:kept]))
    with pytest.raises(AuditError, match=f"ends at line {kept} of 5"):
        verify(path)


@pytest.mark.parametrize("altered", range(5))
def test_a_line_that_was_altered_is_found(path: Path, altered: int) -> None:
    changed = lines(path)
    changed[altered] = changed[altered].replace(b"alice", b"mallo")
    path.write_bytes(b"".join(changed))
    with pytest.raises(AuditError, match="altered"):
        verify(path)


def test_a_line_that_was_added_by_hand_is_found(path: Path) -> None:
    head = verify(path)
    with path.open("a") as file:
        file.write(json.dumps({"number": 9, "previous": head.digest}) + "\n")
    with pytest.raises(AuditError, match="line 6: it does not follow"):
        verify(path)


def test_lines_that_changed_places_are_found(path: Path) -> None:
    first, second, *others = lines(path)
    path.write_bytes(b"".join([second, first, *others]))
    with pytest.raises(AuditError, match="line 1:"):
        verify(path)


def test_a_log_that_was_deleted_is_found_also_when_it_was_written_to_since(path: Path) -> None:
    path.unlink()
    with pytest.raises(AuditError, match="ends at line 0 of 5"):
        verify(path)
    AuditLog(path).append(ENTRY)
    with pytest.raises(AuditError, match="line 1:"):
        verify(path)


def test_a_process_killed_between_line_and_head_leaves_a_whole_log(path: Path) -> None:
    head = head_of(path).read_text()
    AuditLog(path).append(ENTRY)
    head_of(path).write_text(head)
    assert verify(path).number == 6
    AuditLog(path).append(ENTRY)
    assert verify(path).number == 7


def test_what_a_full_disk_has_left_of_a_line_is_no_line(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b'{"number":6,"at":"20')
    AuditLog(path).append(ENTRY)
    assert verify(path).number == 6


def test_two_processes_write_one_chain(path: Path) -> None:
    one, other = AuditLog(path), AuditLog(path)
    for _ in range(3):
        one.append(ENTRY)
        other.append(ENTRY)
    assert verify(path).number == 11


def test_nobody_else_can_read_it(path: Path) -> None:
    assert path.stat().st_mode & 0o777 == 0o600
    assert head_of(path).stat().st_mode & 0o777 == 0o600


def test_a_line_break_from_outside_makes_no_second_line(path: Path) -> None:
    AuditLog(path).append(ENTRY.model_copy(update={"detail": 'x\n{"number":7}'}))
    assert verify(path).number == 6
    assert json.loads(lines(path)[-1])["detail"] == 'x\n{"number":7}'


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(AuditError, match=r"AUDIT_FILE: .*audit\.jsonl"):
        AuditLog(tmp_path / "file" / "audit.jsonl").append(ENTRY)


def test_a_line_of_which_a_full_disk_has_written_a_part_is_refused_and_removed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write
    with monkeypatch.context() as full:
        full.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:20]))
        with pytest.raises(AuditError, match="No space left on device; nothing is changed without a record"):
            AuditLog(path).append(ENTRY)
    assert verify(path).number == 5
    AuditLog(path).append(ENTRY)
    assert verify(path).number == 6


def test_a_line_that_is_being_written_is_not_taken_for_an_altered_one(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b'{"number":6,"at":"20')
    assert verify(path).number == 5
    assert len(list(read(path))) == 5


def test_the_last_line_of_which_a_part_was_removed_is_found(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(AuditError, match="ends at line 4 of 5"):
        verify(path)


@pytest.mark.parametrize("suffix", [".1", "-20261129"])
def test_the_chain_goes_on_in_the_next_file_after_a_rotation(path: Path, suffix: str) -> None:
    path.rename(path.with_name(path.name + suffix))
    assert verify(path).number == 5
    AuditLog(path).append(ENTRY.model_copy(update={"target": "run/next"}))
    assert len(lines(path)) == 1
    assert verify(path).number == 6
    assert [entry.target for entry in read(path)][-2:] == ["run/r4", "run/next"]


def test_a_kill_before_the_head_and_a_rotation_after_it_leave_a_whole_log(path: Path) -> None:
    head = head_of(path).read_text()
    AuditLog(path).append(ENTRY)
    head_of(path).write_text(head)
    path.rename(path.with_name("audit.jsonl.1"))
    AuditLog(path).append(ENTRY)
    assert verify(path).number == 7


def test_a_file_of_a_rotation_that_was_removed_is_found_unless_it_was_archived(path: Path) -> None:
    path.unlink()
    AuditLog(path).append(ENTRY)
    with pytest.raises(AuditError, match=r"line 1: it is line 6 of the log.* --first 6"):
        verify(path)
    assert verify(path, 6).number == 6
    with pytest.raises(AuditError, match="line 1:"):
        verify(path, 5)


def test_lines_that_were_removed_in_the_middle_of_a_rotation_are_found(path: Path) -> None:
    rotated = path.rename(path.with_name("audit.jsonl.1"))
    AuditLog(path).append(ENTRY)
    rotated.write_bytes(b"".join(lines(rotated)[:-1]))
    with pytest.raises(AuditError, match=r"audit\.jsonl, line 1: it does not follow"):
        verify(path)


def test_a_process_that_waits_for_the_lock_writes_to_the_file_after_a_rotation(path: Path) -> None:
    """Both would name the same line as the one before theirs if the lock were on the renamed file."""
    append = AuditLog(path).append
    with audit._locked(path):
        waiting = Thread(target=append, args=(ENTRY,))
        waiting.start()
        path.rename(path.with_name("audit.jsonl.1"))
    waiting.join(60)
    append(ENTRY)
    assert verify(path).number == 7


def test_what_root_writes_stays_the_files_of_their_owner(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "fchown", lambda _descriptor, user, group: given.append((user, group)))
    AuditLog(path).append(ENTRY)
    assert given == [(path.stat().st_uid, path.stat().st_gid)] * 3  # lock, log and head
