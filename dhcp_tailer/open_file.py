"""One generation of a followed file: held open, read record by record, whatever its name becomes."""

import errno
import os
import stat
from collections import deque
from pathlib import Path
from typing import Self

from bringup.errors import BringupError
from dhcp_tailer.layout import LINES, Layout
from dhcp_tailer.position import HEAD, TAIL, Position, digest
from dhcp_tailer.records import LONGEST_RECORD, Record

CHUNK = 64 * 1024  # bytes read at once
_RECENT = CHUNK + LONGEST_RECORD + TAIL  # bytes kept: nearly always more than lie behind our place


class Rewritten(BringupError):
    """What was read is no longer what the file holds: it was truncated, or written anew in place."""


class Generation:
    """One open file. Its descriptor keeps it readable after it was renamed or deleted."""

    def __init__(self, descriptor: int, offset: int, layout: Layout) -> None:
        status = os.fstat(descriptor)
        self._descriptor = descriptor
        self._layout = layout
        self._identity = (status.st_dev, status.st_ino)
        self._begin_at(offset)

    @classmethod
    def open(cls, path: Path, offset: int = 0, layout: Layout = LINES) -> Self:
        """The file that ``path`` names now, to be read from ``offset`` (bytes) on. Raises OSError."""
        return cls(open_regular(path), offset, layout)

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
        before, ending, _ = end.rpartition(self._layout.ending)
        self._begin_at(start + len(before + ending))

    def is_file(self, status: os.stat_result) -> bool:
        """Whether ``status`` is of this very file."""
        return (status.st_dev, status.st_ino) == self._identity

    @property
    def position(self) -> Position:
        """Behind the last record that is done."""
        device, inode = self._identity
        head = digest(self._head[: min(self._done, HEAD)])
        return Position(
            device=device,
            inode=inode,
            offset=self._done,
            written_ns=self._written_ns,
            head_sha256=head,
            tail_sha256=digest(self._tail()),
        )

    @property
    def unread(self) -> int:
        """Bytes behind our place."""
        return max(0, os.fstat(self._descriptor).st_size - self._done)

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._descriptor)

    def _begin_at(self, offset: int) -> None:
        self._done = offset
        self._written_ns = os.fstat(self._descriptor).st_mtime_ns
        self._head = os.pread(self._descriptor, min(offset, HEAD), 0)
        self._recent = os.pread(self._descriptor, TAIL, offset - TAIL) if offset > TAIL else self._head[:offset]
        self._splitter = self._layout.splitter(offset)
        self._ready: deque[Record] = deque()

    def _fill(self) -> bool:
        start = self._splitter.fed_to
        before = self._recent[-TAIL:]
        data = os.pread(self._descriptor, len(before) + CHUNK, start - len(before))
        chunk = data[len(before) :]
        # Looked at after reading: a file that was rewritten meanwhile cannot slip in between.
        if not data.startswith(before) or not self._intact(start + len(chunk)):
            raise Rewritten
        self._head += chunk[: HEAD - len(self._head)]
        self._recent = (self._recent + chunk)[-_RECENT:]
        self._ready.extend(self._splitter.feed(chunk))
        return bool(chunk)

    def _tail(self) -> bytes:
        """The bytes just before our place, as they were when we read them."""
        begin = max(0, self._done - TAIL)
        kept_from = self._splitter.fed_to - len(self._recent)
        if begin < kept_from:
            return os.pread(self._descriptor, self._done - begin, begin)
        return self._recent[begin - kept_from : self._done - kept_from]

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
