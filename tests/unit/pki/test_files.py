import os
from pathlib import Path

import pytest

from pki.errors import Damaged, Locked
from pki.files import LARGEST_FILE, make_directory, read, shared_lock, staged_name, write_atomic, write_new
from pki.store import Store
from tests.unit.pki import kit


@pytest.mark.parametrize("there", ["file", "link", "dangling link"])
def test_a_new_file_is_never_written_over_another_nor_through_a_link(tmp_path: Path, there: str) -> None:
    path, target = tmp_path / "key.pem", tmp_path / "target"
    target.write_text("precious")
    if there == "file":
        path.write_text("precious")
    else:
        path.symlink_to(target if there == "link" else tmp_path / "absent")
    with pytest.raises(FileExistsError):
        write_new(path, b"new", secret=True, owner=None)
    assert target.read_text() == "precious"
    assert not (tmp_path / "absent").exists()


@pytest.mark.parametrize("kind", ["folder", "pipe", "device", "giant", "absent"])
def test_what_is_no_plain_file_of_a_sensible_size_is_not_read(tmp_path: Path, kind: str) -> None:
    path = Path("/dev/zero") if kind == "device" else tmp_path / kind
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "giant":
        with path.open("wb") as file:
            file.truncate(LARGEST_FILE + 1)
    with pytest.raises(Damaged, match=str(path)):
        read(path)


def test_a_lock_names_this_process_while_it_is_held(store: Store) -> None:
    with kit.open_session(store):
        assert store.lock_file.read_text() == f"process {os.getpid()}: a test"


def test_a_lock_file_that_is_a_link_is_not_followed(store: Store, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("precious")
    store.lock_file.unlink()
    store.lock_file.symlink_to(target)
    with pytest.raises(Exception, match="cannot be written"), kit.open_session(store):
        pass
    assert target.read_text() == "precious"


def test_a_command_that_reads_is_not_taken_for_an_earlier_one(store: Store) -> None:
    with (
        shared_lock(store.lock_file),
        pytest.raises(Locked, match="held by a command that reads"),
        kit.open_session(store),
    ):
        pass


class Death(BaseException):
    """The process is gone: nothing may catch this."""


def die() -> None:
    raise Death


def test_a_file_is_replaced_in_one_step_and_again_after_a_death_before_it(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    write_atomic(path, b"old")
    with pytest.raises(Death):
        write_atomic(path, b"new", before_rename=die)
    assert path.read_bytes() == b"old"
    assert staged_name(path).read_bytes() == b"new"
    write_atomic(path, b"newer")
    assert path.read_bytes() == b"newer"
    assert path.stat().st_mode & 0o777 == 0o600
    assert not staged_name(path).exists()


def test_a_directory_that_root_makes_belongs_to_the_owner_of_the_one_above(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[tuple[Path, int, int]] = []
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr("os.chown", lambda path, uid, gid, **_: given.append((path, uid, gid)))
    make_directory(tmp_path / "rollover", private=True)
    above = tmp_path.stat()
    assert given == [(tmp_path / "rollover", above.st_uid, above.st_gid)]
