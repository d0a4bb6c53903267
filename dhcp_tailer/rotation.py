"""Finding the generations of a followed file that were renamed or copied away."""

import os
import re
import stat
from collections.abc import Collection
from enum import IntEnum
from pathlib import Path

from dhcp_tailer.open_file import Generation, open_regular
from dhcp_tailer.position import Position


class Likeness(IntEnum):
    """What a file is to a position."""

    OTHER = 0
    COPY = 1  # another file with the same beginning, and at least as long
    SAME = 2


def likeness(path: Path, position: Position) -> Likeness:
    """Whether ``position`` is a place in the file at ``path``; a file that cannot be read is another one."""
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


def find(path: Path, position: Position, *, copies: bool = True) -> Path | None:
    """Where the file that ``position`` speaks of lies now: at ``path``, or beside it under another name.

    Args:
        copies: a copy of it will do.
    """
    candidates = [path, *(other for other in _beside(path) if other != path)]
    likely = {candidate: likeness(candidate, position) for candidate in candidates}
    best = max(candidates, key=lambda candidate: likely[candidate])
    return best if likely[best] >= (Likeness.COPY if copies else Likeness.SAME) else None


def successors(path: Path, since_ns: int, but: Collection[Generation] = (), beside: tuple[str, ...] = ()) -> list[Path]:
    """Rotated generations of ``path`` that were last written after ``since_ns``, oldest first.

    Args:
        since_ns: nanoseconds since the epoch; a copy made in the moment of truncation has been read already.
        but: are none of them, for they are open already.
        beside: what else their names may end in.
    """
    found: list[tuple[int, Path]] = []
    for other in _beside(path):
        named = _is_rotated_name(other.name, path) or other.name in {path.name + ending for ending in beside}
        status = _status(other) if named else None
        if status is None or not status.st_size or status.st_mtime_ns <= since_ns:
            continue
        if not any(generation.is_file(status) for generation in but):
            found.append((status.st_mtime_ns, other))
    return [other for _, other in sorted(found)]


def earlier(path: Path, endings: tuple[str, ...]) -> list[Path]:
    """The files that hold what was written before ``path`` was begun, as far as they exist."""
    candidates = [path.with_name(path.name + ending) for ending in endings]
    return [candidate for candidate in candidates if _status(candidate)]


def _beside(path: Path) -> list[Path]:
    try:
        return sorted(path.parent.iterdir())
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
