"""Reads a few blocks of a disk, past every cache."""

import mmap
import os
from pathlib import Path

_BLOCK = 64 * 1024  # a multiple of every sector size


def read_samples(path: Path, size: int) -> None:
    """Read a block at the start, in the middle and at the end of a disk of ``size`` bytes.

    Raises:
        OSError: one of them cannot be read, or ends early.
    """
    descriptor = _open(path)
    try:
        with mmap.mmap(-1, _BLOCK) as block:  # a page of its own: O_DIRECT wants aligned memory
            for offset in _offsets(size):
                _read(descriptor, block, offset, min(_BLOCK, size - offset))
    finally:
        os.close(descriptor)


def _offsets(size: int) -> list[int]:
    last = max(0, size - _BLOCK) // 4096 * 4096
    return sorted({0, last // 2 // 4096 * 4096, last})


def _read(descriptor: int, block: mmap.mmap, offset: int, expected: int) -> None:
    length = os.preadv(descriptor, [block], offset)
    if length < expected:
        raise OSError(5, f"only {length} of {expected} bytes at {offset}")


def _open(path: Path) -> int:
    """Past the page cache where the file system can: tmpfs cannot, a disk can."""
    try:
        return os.open(path, os.O_RDONLY | os.O_DIRECT | os.O_CLOEXEC)
    except OSError as error:
        if error.errno != 22:  # EINVAL
            raise
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
