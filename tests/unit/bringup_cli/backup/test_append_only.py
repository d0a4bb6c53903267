"""A copy of the append-only file ends where a command or a transaction ends, wherever Redis was in writing it."""

from pathlib import Path

import pytest

from bringup_cli.backup import append_only
from bringup_cli.backup.archive import BackupRefused, StoredFile


def command(*words: str) -> bytes:
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word.encode()) for word in words)


FIRST = command("SELECT", "0") + b"#TS:1700000000\r\n" + command("SET", "key", "*1\r\n$4\r\nEXEC\r\n")
TRANSACTION = command("MULTI") + command("INCR", "bringup:change-number") + command("EXEC")


class Written:
    """A data folder."""

    def __init__(self, folder: Path) -> None:
        self.data, self.folder = folder, folder / append_only.FOLDER
        self.folder.mkdir()
        self.write(FIRST + TRANSACTION)

    def write(self, incremental: bytes, manifest: str = "") -> None:
        names = {"appendonly.aof.1.base.rdb": b"REDIS0010", "appendonly.aof.1.incr.aof": incremental}
        for name, content in names.items():
            (self.folder / name).write_bytes(content)
        lines = "".join(f"file {name} seq 1 type {name.split('.')[3][0]}\n" for name in names)
        (self.folder / "appendonly.aof.manifest").write_text(manifest or lines)


@pytest.fixture
def written(tmp_path: Path) -> Written:
    return Written(tmp_path)


def incremental(written: Written) -> bytes:
    return append_only.copied(written.data)["appendonly.aof.1.incr.aof"].content


@pytest.mark.parametrize("length", range(len(FIRST + TRANSACTION) + 1))
def test_a_copy_ends_with_a_whole_command_or_transaction(written: Written, length: int) -> None:
    written.write((FIRST + TRANSACTION)[:length])
    found = incremental(written)
    assert (FIRST + TRANSACTION).startswith(found)
    assert found.count(b"\r\nMULTI\r\n") == found.count(b"\r\nINCR\r\n")
    if length == len(FIRST + TRANSACTION):
        assert found == FIRST + TRANSACTION
    elif length >= len(FIRST):
        assert found == FIRST


def test_history_that_redis_is_about_to_delete_is_left_out(written: Written) -> None:
    text = (written.folder / "appendonly.aof.manifest").read_text()
    (written.folder / "appendonly.aof.manifest").write_text(f"file appendonly.aof.0.incr.aof seq 0 type h\n{text}")
    assert "appendonly.aof.0.incr.aof" not in append_only.copied(written.data)


def test_a_file_that_goes_again_and_again_is_refused(written: Written) -> None:
    (written.folder / "appendonly.aof.1.incr.aof").unlink()
    with pytest.raises(BackupRefused, match="again and again"):
        append_only.copied(written.data)


def test_a_folder_without_an_append_only_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BackupRefused, match="on the host of Redis"):
        append_only.copied(tmp_path)


def test_the_mark_is_the_last_file_and_none_of_those_there(written: Written) -> None:
    once = append_only.marked(append_only.copied(written.data), db=3, since="now", host="h")
    twice = append_only.marked(once, db=3, since="later", host="h")
    assert twice["appendonly.aof.manifest"].content.decode().splitlines()[-2:] == [
        "file appendonly.aof.2.incr.aof seq 2 type i",
        "file appendonly.aof.3.incr.aof seq 3 type i",
    ]
    assert command("SELECT", "3") in twice["appendonly.aof.3.incr.aof"].content
    assert twice["appendonly.aof.2.incr.aof"] == once["appendonly.aof.2.incr.aof"]
    assert isinstance(twice["appendonly.aof.1.incr.aof"], StoredFile)


@pytest.mark.parametrize("manifest", [None, b"\xff", b"file x", b""])
def test_what_has_no_append_only_file_is_refused(manifest: bytes | None) -> None:
    files = {} if manifest is None else {"appendonly.aof.manifest": StoredFile(manifest)}
    with pytest.raises(BackupRefused, match="no append-only file"):
        append_only.marked(files, db=0, since="", host="r1")
