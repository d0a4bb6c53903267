"""The disks of a simulated machine."""

from bringup.expectation import ExpectedDisk
from bringup.wire.report import Disk, Smart, SmartCounter
from bringup_cli.simulate.faults import Fault

_WORN_OUT = 250  # percent of the rated endurance
_NEW_NVME = {
    SmartCounter.CRITICAL_WARNING: 0,
    SmartCounter.AVAILABLE_SPARE: 100,
    SmartCounter.SPARE_THRESHOLD: 10,
    SmartCounter.PERCENTAGE_USED: 1,
    SmartCounter.MEDIA_ERRORS: 0,
}
_NEW_ATA = {
    SmartCounter.REALLOCATED_SECTORS: 0,
    SmartCounter.REPORTED_UNCORRECTABLE: 0,
    SmartCounter.PENDING_SECTORS: 0,
    SmartCounter.OFFLINE_UNCORRECTABLE: 0,
    SmartCounter.PERCENTAGE_USED: 1,
}


def disks_of(expected: tuple[ExpectedDisk, ...], fault: Fault) -> tuple[Disk, ...]:
    """The expected disks, new; the first of them worn out where that is the fault."""
    wanted = [disk for disk in expected for _ in range(disk.count)]
    return tuple(_disk(n, want, worn=fault is Fault.WORN_DISK and n == 0) for n, want in enumerate(wanted))


def _disk(number: int, want: ExpectedDisk, *, worn: bool) -> Disk:
    kind = want.type or "ssd"
    return Disk(
        name=f"/dev/nvme{number}n1" if kind == "nvme" else f"/dev/sd{_letters(number)}",
        size=round(want.size_gb * 10**9),
        model=want.model or "Simulated disk",
        serial=want.serial or f"SIM-DISK-{number}",
        rotational=kind == "hdd",
        type=kind,
        smart=_smart(nvme=kind == "nvme", used=_WORN_OUT if worn else 1),
    )


def _smart(*, nvme: bool, used: int) -> Smart:
    counters = (_NEW_NVME if nvme else _NEW_ATA) | {SmartCounter.PERCENTAGE_USED: used}
    return Smart(protocol="nvme" if nvme else "ata", passed=True, counters=dict(counters))


def _letters(number: int) -> str:
    """As the kernel counts: a to z, then aa."""
    head, tail = divmod(number, 26)
    return (_letters(head - 1) if head else "") + chr(ord("a") + tail)
