"""Several files changed as one: after a crash at any point the old ones are whole, or the new ones are.

Every new file is first written beside its place and synced. Then a list of them, the journal, is written in one
atomic step: the decision. Before it nothing has changed; after it only renames are left, which `finish` does, now or
in the next command.
"""

import contextlib
import itertools
import json
import os
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path

from pki.errors import Damaged, PkiError, Unwritable
from pki.files import make_directory, read, staged_name, sync_directory, write_atomic, write_new, writing

Step = Callable[[str], None]
_CAP_CHOWN = 1 << 0  # capability number 0: <linux/capability.h>


def no_step(_name: str) -> None:
    """Nothing; a test lets the process die here, between two steps."""


class Journal:
    """New contents for files under one root; nothing is written before `commit`.

    Args:
        root: the PKI directory.
        state: its private folder.
        step: called before each thing done to the disk.
    """

    def __init__(self, root: Path, state: Path, *, step: Step = no_step) -> None:
        self._root = root
        self._state = state
        self._step = step
        self._new: dict[Path, tuple[bytes, bool]] = {}
        self._removed: list[Path] = []

    def put(self, path: Path, data: bytes, *, secret: bool = False) -> None:
        """Write a file at `commit`.

        Args:
            path: the file, below the PKI directory.
            data: all of its contents.
            secret: readable by its owner only.
        """
        self._new[path] = (data, secret)

    def drop(self, path: Path) -> None:
        """Remove ``path`` at `commit`, after everything else is in its place."""
        self._removed.append(path)

    def backup(self, now: datetime) -> Path | None:
        """Copy every file that will be replaced or removed to ``state/old/TIME/``.

        Returns:
            The folder; None if there is nothing to copy.
        """
        folder = _unused(self._state / "old" / f"{now:%Y%m%dT%H%M%SZ}")
        replaced = [path for path, (data, _) in self._new.items() if self._differs(path, data)]
        for path in (*replaced, *self._removed):
            self.put(folder / path.relative_to(self._root), read(path), secret=True)
        return folder if replaced or self._removed else None

    def commit(self) -> None:
        """Write everything, decide, and switch.

        Raises:
            Unwritable: nothing was changed.
            Damaged: a file or directory is not safe to replace; nothing was changed.
        """
        if not self._new:
            return
        try:
            for path, (data, secret) in self._new.items():
                self._stage(path, data, secret=secret)
            self._decide()
        except PkiError:
            self._forget()
            raise
        finish(self._root, self._state, step=self._step)

    def _differs(self, path: Path, data: bytes) -> bool:
        own = path.is_relative_to(self._state)
        return not own and path.is_file() and read(path) != data

    def _stage(self, path: Path, data: bytes, *, secret: bool) -> None:
        self._step(f"stage {path.name}")
        if path.is_symlink():
            raise Damaged(f"{path} is a symbolic link, and files are never written through one", hint=f"rm {path}")
        self._make_directories(path.parent)
        with writing(path):
            write_new(staged_name(path), data, secret=secret, owner=owner_to_be(path))

    def _make_directories(self, directory: Path) -> None:
        above = self._root.parent
        below = itertools.takewhile(lambda folder: folder != above, (directory, *directory.parents))
        for folder in reversed([*below]):
            make_directory(folder, private=folder.is_relative_to(self._state))

    def _decide(self) -> None:
        journal = journal_of(self._state)
        listed = {
            "put": [str(path.relative_to(self._root)) for path in self._new],
            "drop": [str(path.relative_to(self._root)) for path in self._removed],
        }
        with writing(journal):
            # The names of the new files first: a journal that survives a power cut must not name files that do not.
            for directory in {path.parent for path in self._new}:
                sync_directory(directory)
            write_atomic(journal, json.dumps(listed).encode(), before_rename=lambda: self._step("decide"))

    def _forget(self) -> None:
        journal = journal_of(self._state)
        # The journal goes first: it must never name files that are no longer there to be renamed.
        for path in (journal, staged_name(journal), *map(staged_name, self._new)):
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)


def finish(root: Path, state: Path, *, step: Step = no_step) -> bool:
    """Rename what a journal lists and was not renamed yet; whether there was a journal.

    Args:
        root: the PKI directory.
        state: its private folder, where the journal is.
        step: called before each thing done to the disk.

    Raises:
        Damaged: the journal cannot be read.
        Unwritable: a file cannot be renamed; the next command tries again.
    """
    journal = journal_of(state)
    if not journal.exists():
        return False
    listed = _listed(journal)
    new = [root / name for name in listed["put"]]
    for path in new:
        step(f"switch {path.name}")
        with writing(path), contextlib.suppress(FileNotFoundError):
            staged_name(path).replace(path)
    removed = [root / name for name in listed["drop"]]
    for path in removed:
        step(f"drop {path.name}")
        with writing(path):
            path.unlink(missing_ok=True)
    with writing(journal):
        # Every rename before the journal goes: without it a power cut could lose a rename that nothing repeats.
        for directory in {path.parent for path in (*new, *removed)}:
            sync_directory(directory)
        step("close")
        journal.unlink()
        sync_directory(state)
    return True


def discard_staged(state: Path, folders: Iterable[Path]) -> None:
    """Remove the files that a command which died before its decision left in some folders, and empty backups."""
    for folder in folders:
        for stray in list(folder.rglob(".*.new")):
            with writing(stray):
                stray.unlink(missing_ok=True)
    for empty in sorted((state / "old").glob("**/"), reverse=True):
        with contextlib.suppress(OSError):
            empty.rmdir()  # refuses, as it must, a folder that is not empty


def interrupted(state: Path) -> bool:
    """Whether a change was decided and not finished."""
    return os.path.lexists(journal_of(state))


def journal_of(state: Path) -> Path:
    """The journal's file; it exists only between decision and end."""
    return state / "change.json"


def _listed(journal: Path) -> dict[str, list[str]]:
    try:
        listed = json.loads(read(journal))
        return {"put": list(listed["put"]), "drop": list(listed["drop"])}
    except (ValueError, KeyError, TypeError):
        hint = f"look at what it names and at the files ending in .new, then: rm {journal}"
        raise Damaged(f"{journal} cannot be read as the list of a change", hint=hint) from None


def _unused(folder: Path) -> Path:
    others = (folder.with_name(f"{folder.name}-{number}") for number in itertools.count(2))
    return next(name for name in itertools.chain([folder], others) if not name.exists())


def may_give_away() -> bool:
    """Whether this process has the capability CAP_CHOWN, as the unit that renews certificates has. capabilities(7)"""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return False
    effective = next((line.split()[1] for line in lines if line.startswith("CapEff:")), "0")
    return bool(int(effective, 16) & _CAP_CHOWN)


def owner_to_be(path: Path) -> tuple[int, int] | None:
    """The user and group that a new file must belong to: those of the old one, or of its directory.

    Redis runs as its own user: a key that a renewal by root left to root would be an outage at the next restart.
    Only root, and who has its right to do so, can give files away.

    Returns:
        None where the process need not change anything.

    Raises:
        Unwritable: the file belongs to another user, and we are not root.
    """
    status = path.lstat() if os.path.lexists(path) else path.parent.stat()
    if os.geteuid() == 0 or (status.st_uid != os.geteuid() and may_give_away()):
        return status.st_uid, status.st_gid
    if os.path.lexists(path) and status.st_uid != os.geteuid():
        raise Unwritable(
            f"{path} belongs to user {status.st_uid}, and this is user {os.geteuid()}",
            hint="run the command as that user, or as root",
        )
    return None
