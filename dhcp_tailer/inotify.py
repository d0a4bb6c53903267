"""Being woken by the kernel when a file changes. Source: inotify(7).

By ctypes: three calls of the C library are less than a package to depend on.
"""

import ctypes
import os
import select
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bringup import log
from dhcp_tailer.changes import Changes, Polling

_log = log.get(__name__)
LONGEST_WAIT_S = 0.25  # network file systems and links into other directories wake nobody
_CLOEXEC, _NONBLOCK = os.O_CLOEXEC, os.O_NONBLOCK
_MODIFY, _ATTRIB, _CLOSE_WRITE, _MOVED_FROM, _MOVED_TO, _CREATE = 0x2, 0x4, 0x8, 0x40, 0x80, 0x100
_EVENT = struct.Struct("iIII")  # wd, mask, cookie, len of the name that follows
_ENOUGH = 64 * 1024


class Inotify:
    """Wakes when a file, or one whose name begins like it, changes in its directory: rotation is such a change."""

    def __init__(self, path: Path) -> None:
        """Watch. Raises OSError: there is no such directory, or the kernel's limit is reached."""
        libc = ctypes.CDLL(None, use_errno=True)
        self._name = os.fsencode(path.name)
        self._descriptor = _checked(libc.inotify_init1(_CLOEXEC | _NONBLOCK))
        mask = _MODIFY | _ATTRIB | _CLOSE_WRITE | _MOVED_FROM | _MOVED_TO | _CREATE
        try:
            _checked(libc.inotify_add_watch(self._descriptor, os.fsencode(path.parent), mask))
        except OSError:
            self.close()
            raise
        self._poll = select.poll()
        self._poll.register(self._descriptor, select.POLLIN)

    def wait(self) -> None:
        """Return when the file has changed, and at the latest after `LONGEST_WAIT_S`."""
        deadline = time.monotonic() + LONGEST_WAIT_S  # for all: in a busy directory the next change is always near
        while self._poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
            if any(name.startswith(self._name) for name in _names(os.read(self._descriptor, _ENOUGH))):
                return
            if time.monotonic() >= deadline:
                return

    def close(self) -> None:
        """Watch no more."""
        os.close(self._descriptor)


@contextmanager
def watched(path: Path) -> Iterator[Changes]:
    """What wakes us when ``path`` changes: the kernel, or where it cannot, a look every few milliseconds."""
    try:
        inotify = Inotify(path)
    except OSError as error:
        _log.warning("changes of the file cannot be watched; looking again and again", why=error.strerror)
        yield Polling()
        return
    try:
        yield inotify
    finally:
        inotify.close()


def _names(events: bytes) -> Iterator[bytes]:
    offset = 0
    while offset < len(events):
        *_, length = _EVENT.unpack_from(events, offset)
        offset += _EVENT.size + length
        yield events[offset - length : offset].rstrip(b"\0")


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return int(result)
