"""What the processes of one session have used, and what they hold. Source: proc_pid_stat(5), proc_pid_smaps(5)."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path


def cpu_s(session: int) -> float:
    """Processor time of all its processes, and of those that have ended and were waited for, in seconds."""
    stats = [stat for _, stat in _processes(session)]
    return sum(int(number) for stat in stats for number in stat[11:15]) / os.sysconf("SC_CLK_TCK")


def pss_mb(session: int) -> float:
    """Memory of all its processes, in MB; what several share counts once."""
    found = 0
    for folder, _ in _processes(session):
        with contextlib.suppress(OSError):
            lines = (folder / "smaps_rollup").read_text().splitlines()
            found += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return found / 1024


def _processes(session: int) -> Iterator[tuple[Path, list[str]]]:
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            stat = (folder / "stat").read_text().rpartition(")")[2].split()
            if int(stat[3]) == session:
                yield folder, stat


def peak_mb(pid: int) -> float:
    """The most memory that one process had resident, in MB of 10^6 bytes. Source: proc_pid_status(5)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise RuntimeError(f"/proc/{pid}/status has no VmHWM")
