"""The file of a journal: whose it is, and when one that is there is kept."""

from pathlib import Path

import pytest

from dhcp_tailer import journal
from dhcp_tailer.journal import CheckpointJournal, JournalHead


def begin(file: Path, reader: str) -> int:
    """Begin a journal and end it; the inode of its file."""
    CheckpointJournal(file, JournalHead(reader=reader)).end(wait=True)
    return file.stat().st_ino


def test_a_journal_that_has_only_its_first_line_is_gone_on_with_and_any_other_is_replaced(tmp_path: Path) -> None:
    file = tmp_path / "tail.journal"
    first = begin(file, "a")
    kept = file.open("rb")  # its inode is not used again as long as it is open
    assert begin(file, "a") == first
    assert begin(file, "b") != first
    kept.close()


def test_a_journal_belongs_to_whom_its_place_belongs_before_anything_is_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, given = tmp_path / "tail.journal", list[tuple[object, int]]()
    monkeypatch.setattr(journal, "owner_of", lambda path: f"owner of {path}")
    monkeypatch.setattr(journal, "give_to", lambda owner, _descriptor: given.append((owner, file.stat().st_size)))
    begin(file, "a")
    assert given == [(f"owner of {file}", 0)]


def test_a_file_that_appears_where_a_journal_is_begun_is_not_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "tail.journal"
    file.write_text("a journal of before")
    unlink = Path.unlink

    def unlink_and_another_makes_one(path: Path) -> None:
        unlink(path)
        path.write_text("another's")

    monkeypatch.setattr(Path, "unlink", unlink_and_another_makes_one)
    with pytest.raises(FileExistsError):
        CheckpointJournal(file, JournalHead(reader="a"))
    assert file.read_text() == "another's"


def test_a_journal_is_not_written_through_a_link(tmp_path: Path) -> None:
    file, link = tmp_path / "tail.journal", tmp_path / "link.journal"
    begin(file, "a")
    link.symlink_to(file)
    with pytest.raises(OSError, match="symbolic links"):
        CheckpointJournal(link, JournalHead(reader="a"))
