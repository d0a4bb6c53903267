"""What a power cut may take: nothing that a later step relies on was still only in memory.

A file or a name (created, renamed, removed) is lost unless it was synced: the file itself for its contents, its
directory for its name. The test records every one of these, in order.
"""

import os
from pathlib import Path
from typing import Any

import pytest

from pki import journal as changing
from pki.files import staged_name
from pki.setup import start_over
from pki.store import Store
from tests.unit.pki import kit

Event = tuple[str, Path]


class Disk:
    """Records what is done to files, in order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.events: list[Event] = []
        real_sync, real_replace, real_unlink = os.fsync, Path.replace, Path.unlink

        def sync(descriptor: int) -> None:
            self.events.append(("sync", Path(f"/proc/self/fd/{descriptor}").readlink()))
            real_sync(descriptor)

        def replace(path: Path, target: Path) -> Path:
            self.events.append(("rename", target))
            return real_replace(path, target)

        def unlink(path: Path, **options: Any) -> None:
            existed = path.exists()
            real_unlink(path, **options)
            if existed:
                self.events.append(("remove", path))

        monkeypatch.setattr(os, "fsync", sync)
        monkeypatch.setattr(Path, "replace", replace)
        monkeypatch.setattr(Path, "unlink", unlink)

    def at(self, event: Event) -> int:
        """When it happened for the first time."""
        return self.events.index(event)

    def synced_between(self, path: Path, after: int, before: int) -> bool:
        return ("sync", path) in self.events[after + 1 : before]


@pytest.fixture
def disk(store: Store, monkeypatch: pytest.MonkeyPatch) -> Disk:
    """A new generation was made: files were replaced, kept as a backup, and removed."""
    disk = Disk(monkeypatch)
    with kit.open_session(store) as session:
        start_over(session, kit.WANTED)
    return disk


def decision(disk: Disk, store: Store) -> int:
    return disk.at(("rename", changing.journal_of(store.state)))


def end(disk: Disk, store: Store) -> int:
    return disk.at(("remove", changing.journal_of(store.state)))


def switched(disk: Disk, store: Store) -> list[Path]:
    journal = changing.journal_of(store.state)
    return [path for kind, path in disk.events if kind == "rename" and path != journal]


def test_every_new_file_is_on_the_disk_before_the_change_is_decided(disk: Disk, store: Store) -> None:
    files = switched(disk, store)
    assert len(files) > 15
    for path in (*files, changing.journal_of(store.state)):
        assert disk.synced_between(staged_name(path), -1, decision(disk, store)), path


def test_every_new_name_is_on_the_disk_before_the_change_is_decided(disk: Disk, store: Store) -> None:
    for path in switched(disk, store):
        written = disk.at(("sync", staged_name(path)))
        assert disk.synced_between(path.parent, written, decision(disk, store)), path.parent


def test_the_decision_is_on_the_disk_before_the_first_file_is_switched(disk: Disk, store: Store) -> None:
    first = min(disk.at(("rename", path)) for path in switched(disk, store))
    assert disk.synced_between(store.state, decision(disk, store), first)


def test_every_switch_is_on_the_disk_before_the_decision_is_forgotten(disk: Disk, store: Store) -> None:
    for path in switched(disk, store):
        assert disk.synced_between(path.parent, disk.at(("rename", path)), end(disk, store)), path.parent


def test_the_end_is_on_the_disk_before_the_command_is_done(disk: Disk, store: Store) -> None:
    assert disk.synced_between(store.state, end(disk, store), len(disk.events))


def test_a_removed_name_is_on_the_disk_before_the_decision_is_forgotten(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    with kit.open_session(store) as session:
        session.issue(kit.W2, ())
        session.commit()
    disk, path = Disk(monkeypatch), store.files(kit.W2).key
    with kit.open_session(store) as session:
        session.drop(path)
        session.publish_crl()
        session.commit()
    assert disk.synced_between(path.parent, disk.at(("remove", path)), end(disk, store))


def test_the_name_of_a_new_folder_is_on_the_disk_before_anything_is_decided(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk, store = Disk(monkeypatch), Store(tmp_path / "pki")
    kit.set_up_again(store)
    for folder in {path.parent for path in switched(disk, store)} - {store.root}:
        assert disk.synced_between(folder.parent, -1, decision(disk, store)), folder
