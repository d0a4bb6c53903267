"""Several files changed as one: after a crash at any point the old ones are whole, or the new ones are.

Every new file is first written beside its place and synced. Then a list of them is put down in one atomic step:
that is the moment of decision. Before it nothing has changed, after it all that is left is to rename, which
`finish` does, now or in the next command.
"""

import contextlib
import itertools
import json
import os
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path

from pki.errors import Damaged, PkiError
from pki.files import (
    DIRECTORY_MODE,
    PRIVATE_DIRECTORY_MODE,
    make_directory,
    owner_to_be,
    read,
    sync_directory,
    write_new,
    writing,
)

Step = Callable[[str], None]


def no_step(_name: str) -> None:
    """Where a test lets the process die between two steps, the product does nothing."""


class Change:
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
        self._gone: list[Path] = []

    def put(self, path: Path, data: bytes, *, secret: bool = False) -> None:
        """Let ``path`` hold ``data`` once the change is committed."""
        self._new[path] = (data, secret)

    def drop(self, path: Path) -> None:
        """Let ``path`` be gone once everything else is in its place."""
        self._gone.append(path)

    def keep_aside(self, now: datetime) -> Path | None:
        """Copy every file that this change replaces to ``state/old/TIME/``; the folder, if there is any."""
        folder = _unused(self._state / "old" / f"{now:%Y%m%dT%H%M%SZ}")
        replaced = [path for path, (data, _) in self._new.items() if self._differs(path, data)]
        for path in (*replaced, *self._gone):
            self.put(folder / path.relative_to(self._root), read(path), secret=True)
        return folder if replaced or self._gone else None

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
        for folder in reversed([directory, *directory.parents]):
            if folder.is_relative_to(self._root):
                private = folder.is_relative_to(self._state)
                make_directory(folder, PRIVATE_DIRECTORY_MODE if private else DIRECTORY_MODE)

    def _decide(self) -> None:
        journal = journal_of(self._state)
        listed = {
            "put": [str(path.relative_to(self._root)) for path in self._new],
            "drop": [str(path.relative_to(self._root)) for path in self._gone],
        }
        with writing(journal):
            for directory in {path.parent for path in self._new}:
                sync_directory(directory)
            staged = staged_name(journal)
            write_new(staged, json.dumps(listed).encode(), secret=True, owner=None)
            self._step("decide")
            staged.replace(journal)
            sync_directory(journal.parent)

    def _forget(self) -> None:
        journal = journal_of(self._state)
        # The list goes first: it must never name files that are no longer there to be switched.
        for path in (journal, staged_name(journal), *map(staged_name, self._new)):
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)


def finish(root: Path, state: Path, *, step: Step = no_step) -> bool:
    """Switch what was decided and is not switched yet; whether there was anything.

    Raises:
        Unwritable: a file cannot be renamed; the next command tries again.
    """
    journal = journal_of(state)
    if not journal.exists():
        return False
    listed = _listed(journal)
    paths = [root / name for name in listed["put"]]
    for path in paths:
        step(f"switch {path.name}")
        with writing(path), contextlib.suppress(FileNotFoundError):
            staged_name(path).replace(path)
    gone = [root / name for name in listed["drop"]]
    for path in gone:
        step(f"drop {path.name}")
        with writing(path):
            path.unlink(missing_ok=True)
    with writing(journal):
        for directory in {path.parent for path in (*paths, *gone)}:
            sync_directory(directory)
        step("close")
        journal.unlink()
        sync_directory(state)
    return True


def sweep(state: Path, folders: Iterable[Path]) -> None:
    """Remove what a command that died before its decision has left in some folders, and what it meant to fill."""
    for folder in folders:
        for stray in list(folder.rglob(".*.new")):
            with writing(stray):
                stray.unlink(missing_ok=True)
    for empty in sorted((state / "old").glob("**/"), reverse=True):
        with contextlib.suppress(OSError):
            empty.rmdir()  # refuses, as it must, what holds anything


def interrupted(state: Path) -> bool:
    """Whether a decided change waits to be finished."""
    return os.path.lexists(journal_of(state))


def journal_of(state: Path) -> Path:
    """The list of files that are being switched; it exists only between decision and end."""
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


def staged_name(path: Path) -> Path:
    """Where the new contents of a file wait: in its own directory, so that the switch is one rename."""
    return path.with_name(f".{path.name}.new")
