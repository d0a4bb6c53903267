"""The lines of an audit log on disk: each holds the number and the SHA-256 of the one before it.

For the end there is a head beside the log: number and hash of the newest line. It is written after the line, so a
process that is killed between the two leaves a log that is ahead of its head, and never one that is behind it.

A rotation may rename the log (not copy and truncate it): the chain goes on in the next file, and `verify` reads both.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bringup.errors import AuditError
from bringup.files import write_atomically

_FIRST = "0" * 64  # what the first line names as the hash of the line before it
# A line is what we wrote, of bounded fields; what is longer was not written by us. Bounds memory when a file is read.
_LONGEST_LINE_BYTES = 256 * 1024
TAMPERED = "a line was altered, removed or moved"


@dataclass(frozen=True)
class Head:
    """The newest line: how many there are, and its SHA-256 as hex."""

    number: int = 0
    digest: str = _FIRST


def head_of(path: Path) -> Path:
    """Where the head of an audit log is."""
    return path.with_name(f"{path.name}.head")


def lock_of(path: Path) -> Path:
    """What a process locks while it appends to an audit log."""
    return path.with_name(f"{path.name}.lock")


def verify(path: Path, first: int = 1) -> Head:
    """The newest line of a log that is whole and unaltered.

    Args:
        path: the log; files beside it that a rotation has made of it are read before it.
        first: number of the first line that must be there; those before it were archived elsewhere.

    Raises:
        AuditError: a line is missing, was altered or moved, or cannot be read; it names the first such line.
    """
    head = read_head(head_of(path))
    newest = Head(first - 1, _FIRST if first == 1 else "")
    for part, place, line in all_lines(path):
        number, previous = _link(line)
        if newest.number == first - 1 and number > first:
            raise AuditError(
                f"{part}, line {place}: it is line {number} of the log, and those before it are not here: they were "
                f"removed, or moved to another folder; if you moved them yourself: --first {number}"
            )
        if number != newest.number + 1 or previous != (newest.digest or previous):
            raise AuditError(f"{part}, line {place}: it does not follow the line before it: {TAMPERED}")
        newest = Head(number, digest_of(line))
        if number == head.number and newest != head:
            raise AuditError(f"{part}, line {place}: it is not the line that {head_of(path)} names: {TAMPERED}")
    if newest.number < head.number:
        raise AuditError(f"{path}: ends at line {newest.number} of {head.number}: lines at its end were removed")
    return newest


def all_lines(path: Path) -> Iterator[tuple[Path, int, bytes]]:
    """File, number in it and text of each line, oldest first."""
    for part in [*_rotated(path), path]:
        for place, line in enumerate(_lines(part), 1):
            yield part, place, line


def _rotated(path: Path) -> list[Path]:
    """What a rotation has made of the log, oldest first: files with its name and a suffix that begin with our lines."""
    others = {head_of(path), lock_of(path)}
    try:
        beside = [one for one in path.parent.iterdir() if one.name.startswith(f"{path.name}") and one != path]
    except OSError:
        return []
    first_lines = {one: next(_lines(one), b"") for one in beside if one not in others and one.is_file()}
    numbers = {one: _link(line)[0] for one, line in first_lines.items()}
    return sorted((one for one in numbers if numbers[one]), key=lambda one: numbers[one])


def last_rotated(path: Path) -> Head:
    """The last line before the last rotation: the head is behind it when a process was killed right before that."""
    rotated = _rotated(path)
    if not rotated:
        return Head()
    descriptor = os.open(rotated[-1], os.O_RDONLY | os.O_CLOEXEC)
    try:
        return last_line(descriptor, cuts=False)
    finally:
        os.close(descriptor)


def last_line(descriptor: int, *, cuts: bool = True) -> Head:
    """Number and hash of the last whole line; what a full disk has left of a line is cut off, for it has no end."""
    size = os.fstat(descriptor).st_size
    start = max(0, size - 2 * _LONGEST_LINE_BYTES)
    tail = os.pread(descriptor, size - start, start)
    whole = tail[: tail.rfind(b"\n") + 1]
    if cuts and len(whole) < len(tail):
        os.ftruncate(descriptor, start + len(whole))
    lines = whole.splitlines()
    if not lines:
        return Head()
    number, _ = _link(lines[-1])
    return Head(number, digest_of(lines[-1]))


def _link(line: bytes) -> tuple[int, str]:
    """The number of a line, and the hash of the one before it; (0, "") when it is no line of ours."""
    try:
        record = json.loads(line)
        return int(record["number"]), str(record["previous"])
    except (ValueError, KeyError, TypeError):
        return 0, ""


def _lines(path: Path) -> Iterator[bytes]:
    """Each whole line."""
    try:
        with path.open("rb") as file:
            while line := file.readline(_LONGEST_LINE_BYTES):
                if not line.endswith(b"\n") and len(line) < _LONGEST_LINE_BYTES:
                    return  # it is being written, or was cut off by a kill: no change was made on it
                yield line.removesuffix(b"\n")
    except FileNotFoundError:
        return
    except OSError as error:
        raise AuditError(f"AUDIT_FILE: {path} cannot be read: {error.strerror}") from None


def read_head(path: Path) -> Head:
    """What the head of a log names. Raises AuditError when it cannot be read."""
    try:
        number, digest = path.read_text(encoding="ascii").split()
        return Head(int(number), digest)
    except FileNotFoundError:
        return Head()
    except (OSError, ValueError):
        raise AuditError(f"{path} cannot be read: it holds the number and the SHA-256 of the newest line") from None


def write_head(path: Path, head: Head) -> None:
    """Let the head of a log name another line."""
    write_atomically(path, f"{head.number} {head.digest}\n".encode())


def digest_of(line: bytes) -> str:
    """What the next line names, as hex."""
    return hashlib.sha256(line).hexdigest()
