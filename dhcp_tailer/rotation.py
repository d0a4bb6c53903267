"""Rotation: finding the files that a followed file was renamed, copied or backed up to."""

import os
import re
import stat
from enum import IntEnum
from pathlib import Path

from bringup import log
from dhcp_tailer.framing import Layout
from dhcp_tailer.open_file import OpenFile, Position, open_regular

_log = log.get(__name__)


class Likeness(IntEnum):
    """What a file is to a position."""

    OTHER = 0
    COPY = 1  # another file with the same beginning, and at least as long
    SAME = 2


def likeness(path: Path, position: Position) -> Likeness:
    """Whether ``position`` is one in the file at ``path``; a file that cannot be read is another one."""
    try:
        descriptor = open_regular(path)
    except OSError:
        return Likeness.OTHER
    try:
        status = os.fstat(descriptor)
        head = os.pread(descriptor, position.head_length, 0)
        tail = os.pread(descriptor, position.tail_length, position.offset - position.tail_length)
    finally:
        os.close(descriptor)
    if status.st_size < position.offset or not (position.begins(head) and position.follows(tail)):
        return Likeness.OTHER
    if (status.st_dev, status.st_ino) == (position.device, position.inode):
        return Likeness.SAME
    return Likeness.COPY if position.offset else Likeness.OTHER


class Rotation:
    """The files beside a followed file that hold, or held, its records.

    Args:
        path: of the followed file.
        layout: how records lie in it, and how the server names the files beside it.
    """

    def __init__(self, path: Path, layout: Layout) -> None:
        self._path = path
        self._layout = layout

    def find(self, position: Position) -> Path | None:
        """Where the file of ``position`` is now: at our path, or beside it under another name.

        A copy will do, but not of a lease file: those begin alike.
        """
        candidates = [self._path, *(other for other in self._siblings() if other != self._path)]
        likely = {candidate: likeness(candidate, position) for candidate in candidates}
        best = max(candidates, key=lambda candidate: likely[candidate])
        return best if likely[best] >= (Likeness.SAME if self._layout.is_lease_file else Likeness.COPY) else None

    def successors(self, position: Position, *but: OpenFile) -> list[OpenFile]:
        """Rotated files that were last written after ``position``, oldest first.

        A copy made in the moment of truncation is not newer, and was read already. Those in ``but`` are left out.
        """
        found: list[tuple[int, Path]] = []
        backups = {self._path.name + ending for ending in self._layout.backups}
        for other in self._siblings():
            status = _status(other) if other.name in backups or _is_rotated_name(other.name, self._path) else None
            if status is None or not status.st_size or status.st_mtime_ns <= position.written_ns:
                continue
            if not any(file.is_file(status) for file in but):
                found.append((status.st_mtime_ns, other))
        return self._opened([other for _, other in sorted(found)])

    def older(self) -> list[OpenFile]:
        """The files that hold what was written before our file was begun, as far as they exist."""
        candidates = [self._path.with_name(self._path.name + ending) for ending in self._layout.older]
        return self._opened([candidate for candidate in candidates if _status(candidate)])

    def _opened(self, paths: list[Path]) -> list[OpenFile]:
        files = []
        for path in paths:
            try:
                files.append(OpenFile.open(path, 0, self._layout))
            except OSError as error:
                _log.warning("a rotated file cannot be read; its records are lost", path=str(path), why=error.strerror)
        return files

    def _siblings(self) -> list[Path]:
        try:
            return sorted(self._path.parent.iterdir())
        except OSError:
            return []


def _status(path: Path) -> os.stat_result | None:
    try:
        status = path.stat(follow_symlinks=False)
    except OSError:
        return None
    return status if stat.S_ISREG(status.st_mode) else None


def _is_rotated_name(name: str, path: Path) -> bool:
    """``x.log.1``, ``x.log-20261123``, ``x-20261123.log``: the names that logrotate and the servers give."""
    number = r"[.-]\d[\d.-]*"
    names = f"{re.escape(path.name)}{number}|{re.escape(path.stem)}{number}{re.escape(path.suffix)}"
    return re.fullmatch(names, name) is not None
