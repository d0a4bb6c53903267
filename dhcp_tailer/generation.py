"""One generation of a followed file: held open, read record by record, whatever its name becomes."""

import errno
import os
import stat
from collections import deque
from pathlib import Path
from typing import Self

from dhcp_tailer.position import HEAD, Position, digest
from dhcp_tailer.records import LONGEST_RECORD, Record, Splitter

CHUNK = 64 * 1024  # bytes read at once


class Rewritten(Exception):
    """What was read is no longer what the file holds: it was truncated, or written anew in place."""


class Generation:
    """One open file. Its descriptor keeps it readable after it was renamed or deleted."""

    def __init__(self, descriptor: int, offset: int) -> None:
        status = os.fstat(descriptor)
        self._descriptor = descriptor
        self._identity = (status.st_dev, status.st_ino)
        self._begin_at(offset)

    @classmethod
    def open(cls, path: Path, offset: int = 0) -> Self:
        """The file that ``path`` names now, to be read from ``offset`` (bytes) on. Raises OSError."""
        return cls(open_regular(path), offset)

    def read(self, limit: int) -> list[Record]:
        """Up to ``limit`` whole records; none when the end is reached.

        Raises:
            Rewritten: start over.
            OSError: the file system fails.
        """
        while not self._ready and self._fill():
            pass
        return [self._ready.popleft() for _ in range(min(limit, len(self._ready)))]

    def leftover(self) -> Record | None:
        """The beginning of a record that nobody will complete any more."""
        return self._splitter.cut()

    def done(self, record: Record) -> None:
        """``record`` need not be read again."""
        self._done = record.end

    def start_over(self) -> None:
        """Read from the first byte again."""
        self._begin_at(0)

    def skip_to_end(self) -> None:
        """Leave out all records that are whole already."""
        size = os.fstat(self._descriptor).st_size
        start = max(0, size - LONGEST_RECORD)
        end = os.pread(self._descriptor, LONGEST_RECORD, start)
        self._begin_at(start + end.rfind(b"\n") + 1)

    def is_file(self, status: os.stat_result) -> bool:
        """Whether ``status`` is of this very file."""
        return (status.st_dev, status.st_ino) == self._identity

    @property
    def position(self) -> Position:
        """Behind the last record that is done."""
        device, inode = self._identity
        head = digest(self._head[: min(self._done, HEAD)])
        return Position(device=device, inode=inode, offset=self._done, written_ns=self._written_ns, head_sha256=head)

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._descriptor)

    def _begin_at(self, offset: int) -> None:
        self._done = offset
        self._written_ns = os.fstat(self._descriptor).st_mtime_ns
        self._head = os.pread(self._descriptor, min(offset, HEAD), 0)
        self._splitter = Splitter(offset)
        self._ready: deque[Record] = deque()

    def _fill(self) -> bool:
        start = self._splitter.fed_to
        chunk = os.pread(self._descriptor, CHUNK, start)
        # Looked at after reading: a file that was rewritten meanwhile cannot slip in between.
        if not self._intact(start + len(chunk)):
            raise Rewritten
        self._head += chunk[: HEAD - len(self._head)]
        self._ready.extend(self._splitter.feed(chunk))
        return bool(chunk)

    def _intact(self, read_to: int) -> bool:
        status = os.fstat(self._descriptor)
        if not self._head:  # nothing to know it by: it may have been filled and emptied since we looked
            return status.st_mtime_ns == self._written_ns
        if status.st_size < read_to or os.pread(self._descriptor, len(self._head), 0) != self._head:
            return False
        self._written_ns = status.st_mtime_ns
        return True


def open_regular(path: Path) -> int:
    """A descriptor for reading a regular file; a pipe would block us, a directory has no records. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "is not a regular file", str(path))
    return descriptor
