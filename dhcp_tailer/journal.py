"""The journal beside a whole checkpoint: lines with a checksum, appended by a thread."""

import errno
import os
import time
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Literal

from pydantic import BaseModel, ConfigDict

from bringup.files import give_to, owner_of

# Seconds until a line is on disk: of a host that loses power so much more is read again, and counted once all the same.
# A kill loses nothing of it. A sync at once would make the next lease wait for the same disk, where Redis is on it.
SYNC_WITHIN_S = 1.0


class JournalHead(BaseModel):
    """The first line of a journal."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    reader: str  # name of the `bringup.lease_jobs.RecordReader`


class CheckpointJournal:
    """The changes since a whole checkpoint, written and brought to disk by a thread: no lease waits for the disk.

    Args:
        file: created; one that is there is replaced. Raises OSError when it cannot be.
        head: its first line.
    """

    def __init__(self, file: Path, head: JournalHead) -> None:
        self.file = file
        self.size = 0  # bytes that were appended
        self.problem: str | None = None  # why nothing is written any more
        self._descriptor = _begun(file, journal_line(head))
        # A queue without a lock of Python: a child that is forked while the thread holds one would have it for ever.
        self._lines: SimpleQueue[bytes | None] = SimpleQueue()
        self._writer = Thread(target=self._write, name="journal", daemon=True)
        try:
            self._writer.start()
        except RuntimeError as error:  # the host has no thread for us: as bad as no disk, and no worse
            os.close(self._descriptor)
            raise OSError(errno.EAGAIN, str(error)) from error

    def append(self, line: bytes) -> None:
        """Write ``line`` soon."""
        self.size += len(line)
        self._lines.put(line)

    def sync(self) -> None:
        """Bring its first line to disk."""
        os.fdatasync(self._descriptor)

    def end(self, *, wait: bool = False) -> None:
        """End it once all is written. ``wait``: until then."""
        self._lines.put(None)
        if wait:
            self._writer.join()

    def _write(self) -> None:
        try:
            while self._write_until_synced():
                pass
        except OSError as error:
            self.problem = error.strerror or type(error).__name__
        finally:
            os.close(self._descriptor)

    def _write_until_synced(self) -> bool:
        """Write a line, and what comes within `SYNC_WITHIN_S` of it, and bring all to disk; False: that was the end."""
        line = self._lines.get()
        sync_at = time.monotonic() + SYNC_WITHIN_S
        while line is not None:
            _write_all(self._descriptor, line)
            try:
                line = self._lines.get(timeout=max(0.0, sync_at - time.monotonic()))
            except Empty:
                break
        os.fdatasync(self._descriptor)
        return line is not None


def journal_file(file: Path, key: str) -> Path:
    """Where the journal of the checkpoint ``file`` with this key is."""
    return file.with_suffix(f".{key}.journal")


def journals(file: Path) -> list[Path]:
    """The journals beside the checkpoint ``file``, also those that were left behind."""
    return list(file.parent.glob(f"{file.stem}.*.journal"))


def journal_line(record: BaseModel) -> bytes:
    """``record`` as a line of a journal; its checksum shows whether all of it was written."""
    text = record.model_dump_json().encode()
    return b"%08x %s\n" % (zlib.crc32(text), text)


def whole_lines(text: bytes) -> Iterator[bytes]:
    """The records of a journal, up to the first that is not whole: what follows was written later."""
    for line in text.split(b"\n")[:-1]:
        checksum, _, record = line.partition(b" ")
        if checksum != b"%08x" % zlib.crc32(record):
            return
        yield record


def _begun(file: Path, head: bytes) -> int:
    """A descriptor of a new file, mode 0600, that begins with ``head``."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    with suppress(FileNotFoundError):
        if file.read_bytes() == head:  # of an earlier start: a kill while it is replaced would lose the name in it
            return os.open(file, flags)
        file.unlink()
    descriptor = os.open(file, flags | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        give_to(owner_of(file), descriptor)
        _write_all(descriptor, head)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _write_all(descriptor: int, data: bytes) -> None:
    """Write all of ``data``: a disk that is nearly full takes a part, and reports the error with the next write."""
    while data:
        data = data[os.write(descriptor, data) :]
