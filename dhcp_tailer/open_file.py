"""One open file, read record by record whatever its name becomes, and a position that is found again in it."""

import errno
import os
import stat
from collections import deque
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, NonNegativeInt

from bringup import errors, files
from dhcp_tailer.framing import LINES, LONGEST_RECORD, Layout, Record

# Bytes just before a position by which it is recognised: more than one record has.
TAIL = 1024
# Bytes at the beginning by which a file is recognised: more than any header has, so that the first record, which
# differs between the files of one server, is among them.
HEAD = 4096
# Bytes read at once: some hundred records for one system call.
CHUNK = 64 * 1024
# Bytes kept of what was read: nearly always the tail of a position is among them, and costs no read.
_RECENT = CHUNK + LONGEST_RECORD + TAIL
# How a gzipped file begins. No log and no lease file does. Source: RFC 1952 s.2.3.1.
_GZIP = b"\x1f\x8b"


class Position(BaseModel):
    """How far a file was read, and which file that was.

    An inode number is used again once its file is gone, and a copy has another one; what was read at the
    beginning of a file does not change. A lease file that was written anew may begin as it did before, and even get
    the same inode again: so the bytes just before the offset must be the same too.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    device: int  # st_dev
    inode: NonNegativeInt  # st_ino
    offset: NonNegativeInt  # behind the last record that is done, bytes
    written_ns: int  # st_mtime of the file when it was last read, nanoseconds since the epoch
    head_sha256: str  # of the first `head_length` bytes, hexadecimal
    tail_sha256: str = ""  # of the `tail_length` bytes before the offset; empty: not known

    @property
    def head_length(self) -> int:
        """How many bytes of the beginning identify the file: never more than were read."""
        return min(self.offset, HEAD)

    @property
    def tail_length(self) -> int:
        """How many bytes before the offset identify the file."""
        return min(self.offset, TAIL)

    @property
    def written_at(self) -> datetime:
        """When the file was last written, as far as we know."""
        return datetime.fromtimestamp(self.written_ns / 1e9, UTC)

    def begins(self, head: bytes) -> bool:
        """Whether a file that begins with ``head`` may be the one that was read."""
        return len(head) >= self.head_length and digest(head[: self.head_length]) == self.head_sha256

    def follows(self, tail: bytes) -> bool:
        """Whether the offset may be just behind ``tail``."""
        return not self.tail_sha256 or digest(tail) == self.tail_sha256


class Rewritten(errors.BringupError):
    """The file no longer holds what was read of it: it was truncated, or written anew in place."""


class Opened(NamedTuple):
    """A regular file that is open for reading."""

    descriptor: int  # of its text: of a gzipped file that of a copy that is unpacked
    status: os.stat_result  # of the file itself

    @classmethod
    def of(cls, path: Path) -> "Opened":
        """The file at ``path``; a pipe would block us, a directory has no records.

        Raises:
            OSError: it cannot be opened, is no regular file, or is gzipped and not whole.
        """
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            os.close(descriptor)
            raise OSError(errno.EINVAL, "is not a regular file", str(path))
        gzipped = os.pread(descriptor, len(_GZIP), 0) == _GZIP
        return cls(files.unpacked(descriptor) if gzipped else descriptor, status)

    @property
    def is_unpacked(self) -> bool:
        """Whether the file is gzipped."""
        return not os.path.samestat(os.fstat(self.descriptor), self.status)

    @property
    def size(self) -> int:
        """Bytes of its text."""
        return os.fstat(self.descriptor).st_size

    def close(self) -> None:
        """Close the descriptor."""
        os.close(self.descriptor)


class OpenFile:
    """One file held open. Its descriptor keeps it readable after it was renamed or deleted.

    Args:
        opened: closed by `close`.
        offset: where reading begins, bytes.
        layout: how records lie in it.
    """

    def __init__(self, opened: Opened, offset: int, layout: Layout) -> None:
        self._descriptor = opened.descriptor
        self._layout = layout
        self._identity = (opened.status.st_dev, opened.status.st_ino)
        self._begin_at(offset)

    @classmethod
    def open(cls, path: Path, offset: int = 0, layout: Layout = LINES) -> "OpenFile":
        """The file that ``path`` names now.

        Args:
            path: of a regular file.
            offset: where reading begins, bytes.
            layout: how records lie in it.

        Raises:
            OSError: it cannot be opened.
        """
        return cls(Opened.of(path), offset, layout)

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
        """The beginning of a record that will never be completed."""
        return self._splitter.cut()

    def rest(self) -> Record | None:
        """The beginning of a record that may still be completed, as if it was all."""
        return self._splitter.held()

    def done(self, record: Record) -> None:
        """Move the position behind ``record``."""
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
        """Bytes behind the position."""
        return max(0, os.fstat(self._descriptor).st_size - self._done)

    def close(self) -> None:
        """Close the descriptor."""
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
        # Checked after reading: a file that was rewritten meanwhile cannot slip in between.
        if not data.startswith(before) or not self._intact(start + len(chunk)):
            raise Rewritten
        self._head += chunk[: HEAD - len(self._head)]
        self._recent = (self._recent + chunk)[-_RECENT:]
        self._ready.extend(self._splitter.feed(chunk))
        return bool(chunk)

    def _tail(self) -> bytes:
        """The bytes just before the position, as they were when they were read."""
        begin = max(0, self._done - TAIL)
        kept_from = self._splitter.fed_to - len(self._recent)
        if begin < kept_from:
            return os.pread(self._descriptor, self._done - begin, begin)
        return self._recent[begin - kept_from : self._done - kept_from]

    def _intact(self, read_to: int) -> bool:
        status = os.fstat(self._descriptor)
        if not self._head:  # nothing to know it by: it may have been filled and emptied since the last read
            return status.st_mtime_ns == self._written_ns
        if status.st_size < read_to or os.pread(self._descriptor, len(self._head), 0) != self._head:
            return False
        self._written_ns = status.st_mtime_ns
        return True


def digest(data: bytes) -> str:
    """SHA-256, hexadecimal."""
    return sha256(data).hexdigest()
