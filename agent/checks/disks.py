"""Whether every disk can be read. Nothing is ever written."""

import threading
from pathlib import Path

from agent.checks.reading import read_samples
from agent.checks.result import Result, failed, passed, warned, worst
from agent.inventory.disks import block_devices
from agent.inventory.pci import scan
from agent.text import read_number

_READ_S = 20.0  # a spinning disk answers within 10 s even when it wakes up
_STORAGE = "01"  # base class of PCI


def check_disks(root: Path) -> Result:
    """Every disk that the kernel has.

    No disk at all is a pass: diskless machines exist, and how many disks there must be is for the inventory to say.
    What would hide disks, a storage controller without a driver, is a warning.
    """
    found = block_devices(root)
    results = [_check(root, name) for name in found] + _undriven(root)
    return worst(results) if results else passed("no disks")


def _check(root: Path, name: str) -> Result:
    device = name.replace("!", "/")
    size = (read_number(root / "sys/block" / name / "size") or 0) * 512
    problem = _read(root / "dev" / device, size)
    return failed(f"{device} cannot be read: {problem}") if problem else passed(f"{device} read")


def _read(path: Path, size: int) -> str:
    """What is wrong with reading; "" for nothing. In a thread: a read from a dead disk may never come back."""
    found = [f"no answer within {_READ_S:.0f} s"]

    def read() -> None:
        try:
            read_samples(path, size)
        except OSError as error:
            found[0] = error.strerror or type(error).__name__
        else:
            found[0] = ""

    reader = threading.Thread(target=read, name=f"read {path.name}", daemon=True)
    reader.start()
    reader.join(_READ_S)
    return found[0]


def _undriven(root: Path) -> list[Result]:
    controllers = [device for device in scan(root) if device.kind.startswith(_STORAGE) and not device.driven]
    return [warned(f"storage controller {device} has no driver in this image") for device in controllers]
