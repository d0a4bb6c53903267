"""Rotation: finding the files that a followed file was renamed, copied or backed up to."""

import os
import re
import stat
from enum import IntEnum
from pathlib import Path

from bringup import log
from dhcp_tailer.framing import Layout
from dhcp_tailer.open_file import Opened, OpenFile, Position

_log = log.get(__name__)
_GZ = ".gz"  # of what logrotate has compressed


class Likeness(IntEnum):
    """What a file is to a position."""

    OTHER = 0
    COPY = 1  # another file with the same beginning, and at least as long
    SAME = 2


def likeness(path: Path, position: Position) -> Likeness:
    """Whether ``position`` is one in the file at ``path``; a file that cannot be read is another one."""
    try:
        opened = Opened.of(path)
    except OSError:
        return Likeness.OTHER
    try:
        size, status = opened.size, opened.status
        head = os.pread(opened.descriptor, position.head_length, 0)
        tail = os.pread(opened.descriptor, position.tail_length, position.offset - position.tail_length)
    finally:
        opened.close()
    if size < position.offset or not (position.begins(head) and position.follows(tail)):
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
        least = Likeness.SAME if self._layout.is_lease_file else Likeness.COPY
        plain = [self._path, *(other for other in self._siblings() if other != self._path and other.suffix != _GZ)]
        # To look into a gzipped file it must be unpacked: only if no other is it, and if it is not too old.
        return self._most_like(plain, position, least) or self._most_like(self._gzipped(position), position, least)

    def _most_like(self, candidates: list[Path], position: Position, least: Likeness) -> Path | None:
        likely = {candidate: likeness(candidate, position) for candidate in candidates}
        best = max(candidates, key=lambda candidate: likely[candidate], default=None)
        return best if best and likely[best] >= least else None

    def _gzipped(self, position: Position) -> list[Path]:
        """The gzipped files that may hold ``position``: gzip gives a file the time of what it has compressed."""
        rotated = (other for other in self._siblings() if other.suffix == _GZ and self._is_rotated(other))
        return [other for other in rotated if (s := _status(other)) and s.st_mtime_ns >= position.written_ns]

    def _is_rotated(self, other: Path) -> bool:
        """Whether that is the name of a rotated or backed up file; a gzipped one only when it is finished."""
        plain = other.with_suffix("") if other.suffix == _GZ else other
        if plain != other and plain.exists():
            return False
        return plain.name in {self._path.name + ending for ending in self._layout.backups} or _is_rotated_name(
            plain.name, self._path
        )

    def successors(self, position: Position, *but: OpenFile) -> list[OpenFile]:
        """Rotated files that were last written after ``position``, oldest first.

        A copy made at the truncation is not newer, and was read already. Those in ``but`` are left out.
        """
        found: list[tuple[int, Path]] = []
        for other in self._siblings():
            status = _status(other) if self._is_rotated(other) else None
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
                opened = Opened.of(path)
                if path.suffix == _GZ and not opened.is_unpacked:
                    opened.close()
                else:
                    files.append(OpenFile(opened, 0, self._layout))
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
