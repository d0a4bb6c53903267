"""Watching a followed file: waking when it changes, and logging when it cannot be read. Source: inotify(7).

inotify by ctypes: three calls of the C library are less than a package to depend on.
"""

import ctypes
import logging
import os
import select
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from bringup import log, outages

_log = log.get(__name__)
# Seconds after which the file is looked at although inotify is silent: network file systems, and links into other
# directories, send no event. Four looks a second are a few system calls.
LONGEST_WAIT_S = 0.25
# Seconds between two looks without inotify: 50 looks a second delay a lease by 10 ms on average.
_POLL_S = 0.02
# Bytes of events read at once: several hundred, so that a burst costs one read. The kernel keeps what does not fit.
_EVENTS_AT_ONCE = 64 * 1024

# Flags of inotify_init1, events of inotify_add_watch. Source: <sys/inotify.h>.
_CLOEXEC, _NONBLOCK = os.O_CLOEXEC, os.O_NONBLOCK
_MODIFY, _ATTRIB, _CLOSE_WRITE, _MOVED_FROM, _MOVED_TO, _CREATE = 0x2, 0x4, 0x8, 0x40, 0x80, 0x100
_EVENT = struct.Struct("iIII")  # wd, mask, cookie, len of the name that follows


class Watcher(Protocol):
    """Waits for a file to change."""

    def wait(self) -> None:
        """Return when the file may have changed, and at the latest after a moment."""


class PollingWatcher:
    """Returns after a fixed time: works on every file system."""

    def wait(self) -> None:
        """Sleep for the interval."""
        time.sleep(_POLL_S)


class InotifyWatcher:
    """Wakes when a file, or one whose name begins like it, changes in its directory: rotation is such a change."""

    def __init__(self, path: Path) -> None:
        """Start watching.

        Raises:
            OSError: there is no such directory, or the kernel's limit is reached.
        """
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
            if any(name.startswith(self._name) for name in _names(os.read(self._descriptor, _EVENTS_AT_ONCE))):
                return
            if time.monotonic() >= deadline:
                return

    def close(self) -> None:
        """Stop watching."""
        os.close(self._descriptor)


@contextmanager
def watch(path: Path) -> Iterator[Watcher]:
    """A watcher of ``path``: inotify, or polling where that does not work."""
    try:
        inotify = InotifyWatcher(path)
    except OSError as error:
        _log.warning("changes of the file cannot be watched; polling it instead", why=error.strerror)
        yield PollingWatcher()
        return
    try:
        yield inotify
    finally:
        inotify.close()


def availability(path: Path) -> outages.Alarm:
    """Whether the file of DHCP_PATH can be read: logged once when it is lost, and once when it is back."""
    lost, back = "the file of DHCP_PATH cannot be read; waiting for it", "the file can be read again"
    return outages.Alarm(__name__, lost, back, level=logging.WARNING, path=str(path))


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
