"""Files that we replace, and files that others replace while we run."""

import errno
import gzip
import os
import secrets
import shutil
import tempfile
import time
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock
from typing import Generic, NamedTuple, TypeVar

from bringup import errors, outages

_Content = TypeVar("_Content")

# Files that cannot be used are tried again once a second at most, not for each request or connection. It is needed
# although they have not changed: this process may have been out of file descriptors.
RETRY_S = 1.0


def write_atomically(path: Path, content: str | bytes, *, sole_writer: bool = False, replace: bool = True) -> None:
    """Write a file of mode 0600, whole or not at all; it and its name are on disk when this returns.

    Args:
        sole_writer: the caller holds a lock, or nobody else writes this file. The temporary file then has one fixed
            name, so that a process that is killed again and again leaves one such file at most.
        replace: whether a file that is there is replaced.

    Raises:
        FileExistsError: it is there, and ``replace`` is false.
        OSError: it cannot be written; the earlier content is unchanged.
    """
    fresh = path.with_name(f".{path.name}.{'new' if sole_writer else secrets.token_hex(4)}")
    if sole_writer:
        fresh.unlink(missing_ok=True)
    try:
        _write_new(fresh, content.encode() if isinstance(content, str) else content, owner_of(path))
        if replace:
            fresh.replace(path)
        else:
            path.hardlink_to(fresh)
    finally:
        fresh.unlink(missing_ok=True)
    _fsync_folder(path.parent)


def owner_of(path: Path) -> os.stat_result:
    """Whose a file is, or would be where there is none: that of its folder."""
    return path.stat() if path.exists() else path.parent.stat()


def give_to(owner: os.stat_result, descriptor: int) -> None:
    """What root writes for a service belongs to the service, or the service could not use it any more."""
    if os.geteuid() == 0:
        os.fchown(descriptor, owner.st_uid, owner.st_gid)


def _write_new(path: Path, content: bytes, owner: os.stat_result) -> None:
    """O_EXCL and O_NOFOLLOW: what others have put under this name is neither written to nor followed."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
        give_to(owner, file.fileno())
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _fsync_folder(folder: Path) -> None:
    """Without it a power failure may lose the new name of a file, and with it what was written."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Signature(NamedTuple):
    """What changes when a file changes; two that are equal are of one file with one content.

    One of these alone is not enough: a file that is moved into place has another inode, and may have an earlier
    mtime; one that is written in place has another size or mtime; and ctime covers what cannot be set back: owner and
    mode, which may have kept us out, and contents under an mtime that was restored (cp -p, rsync).
    """

    device: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int

    @classmethod
    def of(cls, status: os.stat_result) -> "Signature":
        """Of a path's status, or of an open descriptor's."""
        return cls(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)

    @property
    def content(self) -> tuple[int, ...]:
        """Without ctime: that of an open file changes too when its name is given to a new one."""
        return self[:-1]


def signature(path: Path) -> Signature | None:
    """The signature of a file; None: there is none, or it cannot be looked at."""
    try:
        return Signature.of(path.stat())
    except OSError:
        return None


class Reloaded(Generic[_Content]):
    """What files hold, loaded once and again only when one of them has changed. Threads may share it.

    Args:
        paths: what is watched.
        load: reads them; raises ConfigurationError when they cannot be used, as while one is half-written.
        alarm: reports once that changed files cannot be used, and once that they can be again.
        changed: called with what was loaded, each time but the first.
        retry_s: seconds until files that cannot be used are tried again although they have not changed.
        clock: seconds that only go forward.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        load: Callable[[], _Content],
        *,
        alarm: outages.Alarm | None = None,
        changed: Callable[[_Content], None] | None = None,
        retry_s: float = RETRY_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._paths = tuple(paths)
        self._load = load
        self._alarm = alarm
        self._changed = changed
        self._retry_s = retry_s
        self._clock = clock
        # Without it each of many threads would load the same change, and an earlier content could replace a later one.
        self._lock = Lock()
        self._signatures: tuple[Signature | None, ...] | None = None
        self._contents: tuple[_Content, ...] = ()  # none, or the last good one
        self._error: errors.ConfigurationError | None = None
        self._retry_at = 0.0

    def current(self) -> _Content:
        """What the files hold now.

        Raises:
            ConfigurationError: they cannot be used now.
        """
        with self._lock:
            self._refresh()
            if self._error:
                raise self._error.with_traceback(None)
            return self._contents[0]

    def last_good(self) -> _Content:
        """What the files hold now, or held when they could be used last; not delayed by another thread that loads.

        Raises:
            ConfigurationError: they cannot be used, and never could.
        """
        if self._lock.acquire(blocking=not self._contents):
            try:
                self._refresh()
            finally:
                self._lock.release()
        if not self._contents and self._error:
            raise self._error.with_traceback(None)
        return self._contents[0]

    def _refresh(self) -> None:
        # Before loading: a change during it leaves another signature, and so is loaded by the next call.
        signatures = tuple(map(signature, self._paths))
        if signatures == self._signatures and not (self._error and self._clock() >= self._retry_at):
            return
        try:
            content = self._load()
        except errors.ConfigurationError as error:
            self._error, self._retry_at = error, self._clock() + self._retry_s
            if self._alarm and self._contents:
                self._alarm.report("; ".join(error.problems))
        else:
            is_first, self._contents, self._error = not self._contents, (content,), None
            self._after_loading(content, is_first=is_first)
        self._signatures = signatures

    def _after_loading(self, content: _Content, *, is_first: bool) -> None:
        if self._alarm:
            self._alarm.clear()
        if self._changed and not is_first:
            self._changed(content)


def unpacked(descriptor: int) -> int:
    """A descriptor of the text of a gzipped file, in a copy without a name, as old as the file; closes ``descriptor``.

    Raises:
        OSError: the file is not whole, or there is no room for the copy.
    """
    try:
        with os.fdopen(descriptor, "rb") as raw, gzip.open(raw) as packed, tempfile.TemporaryFile() as copy:
            status = os.fstat(descriptor)
            shutil.copyfileobj(packed, copy)
            copy.flush()
            os.utime(copy.fileno(), ns=(status.st_atime_ns, status.st_mtime_ns))
            return os.dup(copy.fileno())
    except (EOFError, zlib.error):
        raise OSError(errno.EIO, "is gzipped and not whole") from None
