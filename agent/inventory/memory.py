"""The memory: what the kernel has of it, and what is in the slots by the firmware's list."""

import re
from pathlib import Path

from agent.inventory import smbios
from agent.text import device_text, read_text

_TABLE = "sys/firmware/dmi/tables/DMI"
# Modules that a report may hold: `bringup.wire.report.Memory` refuses more.
_MAX_MODULES = 256
# MiB that the kernel's total is rounded up to where the firmware lists no module: what both keep is less than this on
# a virtual machine, and no module is smaller.
_ROUND_MB = 64


def memory(root: Path) -> dict[str, object]:
    """As `bringup.wire.report.Memory` has it.

    Where the firmware lists no module (no SMBIOS), ``physical_mb`` is the kernel's total, rounded up to 64 MiB:
    the kernel and the firmware keep a part for themselves. ``modules`` is empty then; the check `memory` is skipped.
    """
    total = _total(root)
    found = smbios.modules(smbios_table(root))
    physical_mb = sum(module.size_mb for module in found) or _rounded_mb(total)
    return {"total": total, "physical_mb": physical_mb, "modules": [_as_reported(m) for m in found[:_MAX_MODULES]]}


def _as_reported(module: smbios.Module) -> dict[str, object]:
    return {
        "slot": device_text(module.slot),
        "size_mb": module.size_mb,
        "serial": device_text(module.serial),
        "speed_mts": module.speed_mts,
    }


def _total(root: Path) -> int:
    match = re.search(r"^MemTotal:\s+([0-9]+) kB", read_text(root / "proc/meminfo"), re.MULTILINE)
    if match is None:
        raise ValueError("/proc/meminfo has no MemTotal")
    return int(match[1]) * 1024


def smbios_table(root: Path) -> bytes:
    """The firmware's table; empty where there is none."""
    try:
        return (root / _TABLE).read_bytes()
    except OSError:
        return b""


def _rounded_mb(total: int) -> int:
    block = _ROUND_MB * 1024**2
    return -(-total // block) * _ROUND_MB
