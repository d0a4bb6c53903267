"""Whether every disk can be read, past every cache, and what it reports of itself. Nothing is ever written."""

import mmap
import os
import threading
from pathlib import Path
from typing import Any

from agent.checks.result import CheckResult, fail, ok, skip, warn, worst
from agent.inventory import disks, pci
from agent.text import read_number

# Seconds for reading three blocks of one disk: a spinning disk answers within 10 s even when it wakes up.
_READ_TIMEOUT_S = 20.0
# Bytes of a block: a multiple of every sector size, as O_DIRECT requires.
_BLOCK_BYTES = 64 * 1024
_STORAGE = "01"  # base class of PCI


def check_disks(root: Path) -> CheckResult:
    """Every disk that the kernel has.

    No disk at all is a pass: diskless machines exist, and the expectation names how many disks there must be. A
    storage controller without a driver, which may hide disks, is a warning.
    """
    found = disks.block_devices(root)
    results = [_check(root, name) for name in found] + _without_driver(root)
    return worst(results) if results else ok("no disks")


def check_smart(reported: list[dict[str, Any]]) -> CheckResult:
    """The overall health that each disk reports; the API judges its counters. Unread SMART data is no pass.

    Args:
        reported: the inventory's part ``disks``.
    """
    return worst([_check_health(disk) for disk in reported]) if reported else ok("no disks")


def read_samples(path: Path, size: int) -> None:
    """Read a block at the start, in the middle and at the end of a disk of ``size`` bytes.

    Raises:
        OSError: one of them cannot be read, or ends early.
    """
    descriptor = _open(path)
    try:
        with mmap.mmap(-1, _BLOCK_BYTES) as block:  # whole pages: O_DIRECT requires aligned memory
            for offset in _offsets(size):
                _read_block(descriptor, block, offset, min(_BLOCK_BYTES, size - offset))
    finally:
        os.close(descriptor)


def _check(root: Path, name: str) -> CheckResult:
    device = name.replace("!", "/")
    size = (read_number(root / "sys/block" / name / "size") or 0) * 512
    problem = _read(root / "dev" / device, size)
    return fail(f"{device} cannot be read: {problem}") if problem else ok(f"{device} read")


def _read(path: Path, size: int) -> str:
    """Why the disk cannot be read; "" if it can. In a thread: a read from a dead disk may never return."""
    problem = [f"no answer within {_READ_TIMEOUT_S:.0f} s"]

    def read() -> None:
        try:
            read_samples(path, size)
        except OSError as error:
            problem[0] = error.strerror or type(error).__name__
        else:
            problem[0] = ""

    reader = threading.Thread(target=read, name=f"read {path.name}", daemon=True)
    reader.start()
    reader.join(_READ_TIMEOUT_S)
    return problem[0]


def _offsets(size: int) -> list[int]:
    last = max(0, size - _BLOCK_BYTES) // 4096 * 4096
    return sorted({0, last // 2 // 4096 * 4096, last})


def _read_block(descriptor: int, block: mmap.mmap, offset: int, expected: int) -> None:
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


def _without_driver(root: Path) -> list[CheckResult]:
    controllers = [device for device in pci.scan(root) if device.kind.startswith(_STORAGE) and not device.driven]
    return [warn(f"storage controller {device} has no driver in this image") for device in controllers]


def _check_health(disk: dict[str, Any]) -> CheckResult:
    name, found = disk["name"], disk.get("smart")
    if found is None:
        return skip(f"{name} SMART was not read: {disk.get('smart_problem') or 'unknown'}")
    if found["passed"] is None:
        return skip(f"{name} SMART reports no overall health")
    return ok(f"{name} SMART passed") if found["passed"] else fail(f"{name} SMART reports: failing")
