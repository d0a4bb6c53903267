"""One command at a time in one PKI directory; the second waits if it was told to, and is told who holds it."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pki.errors import Locked
from pki.files import SECRET_MODE, writing

_LOOK_AGAIN_S = 0.05


@contextmanager
def exclusive(path: Path, command: str, *, wait_s: float = 0) -> Iterator[None]:
    """Hold the lock while the block runs; the kernel frees it if the process dies.

    Args:
        command: what the holder does, for the message of the next.
        wait_s: how long to wait for another to end, in seconds.

    Raises:
        Locked: another process holds it.
        Unwritable: the lock file cannot be made.
    """
    with writing(path):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, SECRET_MODE)
    try:
        _take(descriptor, fcntl.LOCK_EX, path, wait_s)
        with writing(path):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"process {os.getpid()}: {command}".encode(), 0)
        yield
        os.ftruncate(descriptor, 0)  # a reader that holds the lock later must not look like this command
    finally:
        os.close(descriptor)


@contextmanager
def shared(path: Path) -> Iterator[None]:
    """Keep writers out while the block reads. Where the lock file cannot be opened there is nothing to wait for.

    Raises:
        Locked: a command is changing the files right now.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        yield
        return
    try:
        _take(descriptor, fcntl.LOCK_SH, path)
        yield
    finally:
        os.close(descriptor)


def _take(descriptor: int, kind: int, path: Path, wait_s: float = 0) -> None:
    end = time.monotonic() + wait_s
    while not _taken(descriptor, kind):
        if time.monotonic() < end:
            time.sleep(_LOOK_AGAIN_S)  # flock itself waits for ever or not at all
            continue
        holder = os.pread(descriptor, 500, 0).decode(errors="replace") or "a command that reads"
        raise Locked(f"{path} is held by {holder}", hint="wait until it has ended, then run this again")


def _taken(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
