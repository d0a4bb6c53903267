"""The processors. Source: Linux Documentation/filesystems/proc.rst, /proc/cpuinfo."""

import os
from pathlib import Path

from agent.text import device_text, read_number, read_text

# Flags that a report may hold: `bringup.wire.report.Cpu` refuses more; today's processors have about 150.
_MAX_FLAGS = 1024


def cpu(root: Path) -> dict[str, object]:
    """As `bringup.wire.report.Cpu` has it; ``count`` is of logical processors."""
    text = read_text(root / "proc/cpuinfo")
    first = _fields(text.partition("\n\n")[0])
    flags = first.get("flags", first.get("Features", "")).split()
    return {
        "count": sum(line.startswith("processor") for line in text.splitlines()),
        "model_name": device_text(first.get("model name", "")),
        "architecture": os.uname().machine,
        "frequency": _frequency(root, first),
        "flags": [device_text(flag) for flag in flags[:_MAX_FLAGS]],
    }


def _fields(block: str) -> dict[str, str]:
    pairs = (line.partition(":") for line in block.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}


def _frequency(root: Path, first: dict[str, str]) -> str:
    """MHz, the highest where it is known, as lscpu gives it to Ironic."""
    highest_khz = read_number(root / "sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq")
    return f"{highest_khz / 1000:.4f}" if highest_khz else device_text(first.get("cpu MHz", ""))
