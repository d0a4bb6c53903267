"""How a simulated machine can fail, and its disks and PCI devices: what is expected of it, less what a fault breaks."""

from enum import StrEnum

from bringup.expectation import Expectation, ExpectedDisk, ExpectedPcie
from bringup.verdict.pci import PciFunction, is_selected
from bringup.wire.report import Disk, PcieLink, Smart, SmartCounter

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
_BRIDGE = PciFunction("0000:00:1f.0", "8086:a1c1", "060100")
_GPU_ID, _NIC_ID = "10de:20b0", "15b3:1017"
_GPU_CLASS, _NIC_CLASS = "030200", "020000"
_WIDTH, _SPEED_GTS = 16, 16.0


class Fault(StrEnum):
    """One per machine."""

    NONE = "none"
    BMC_UNREACHABLE = "bmc-unreachable"  # the BMC answers 503 to everything
    BMC_AUTH = "bmc-auth"  # the BMC refuses our credentials
    MEDIA_REJECTED = "media-rejected"  # the BMC refuses the medium
    NO_BOOT = "no-boot"  # powers on, and nothing follows
    WRONG_MEMORY = "wrong-memory"  # half of the memory is missing
    WORN_DISK = "worn-disk"  # the first disk is used far beyond its rated endurance
    MISSING_PORT = "missing-port"  # the last network port on record is not there
    OLD_FIRMWARE = "old-firmware"  # the BIOS is not of the expected version
    NARROW_LINK = "narrow-link"  # a PCIe device has fewer lanes than expected
    LINK_DOWN = "link-down"  # one port has no carrier
    SILENT = "silent"  # boots, calls once, and is never heard of again
    BAD_TOKEN = "bad-token"  # noqa: S105 - boots, and calls with a token that is not its own
    CRASH_LOOP = "crash-loop"  # boots, calls, and starts anew, again and again


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


def functions_of(expected: Expectation) -> list[PciFunction]:
    """A bridge, which every machine has, and what is expected."""
    found = [_BRIDGE]
    gpus = expected.gpus
    for _ in range(gpus.count if gpus else 0):
        found.append(PciFunction(_slot(found), (gpus and gpus.id) or _GPU_ID, _GPU_CLASS))
    for want in expected.pcie:
        lacking = (want.count or 1) - sum(is_selected(function, want) for function in found)
        for _ in range(lacking):
            found.append(_made_for(want, _slot(found)))
    return found


def _made_for(want: ExpectedPcie, slot: str) -> PciFunction:
    return PciFunction(want.slot or slot, want.id or _NIC_ID, (want.pci_class or _NIC_CLASS).ljust(6, "0"))


def _slot(found: list[PciFunction]) -> str:
    return f"0000:{len(found):02x}:00.0"


def links_of(functions: list[PciFunction], expected: Expectation, fault: Fault) -> tuple[PcieLink, ...]:
    """Each as it is expected; one narrower where that is the fault.

    Args:
        functions: the PCI functions of the machine.
        expected: by the inventory.
        fault: of the machine.
    """
    links = [_link(function, expected) for function in functions]
    if fault is Fault.NARROW_LINK and len(links) > 1:
        links[1] = links[1].model_copy(update={"width": 1})
    return tuple(links)


def _link(function: PciFunction, expected: Expectation) -> PcieLink:
    wants = [want for want in expected.pcie if is_selected(function, want)]
    width = next((want.width for want in wants if want.width), _WIDTH)
    speed = next((want.speed_gts for want in wants if want.speed_gts), _SPEED_GTS)
    return PcieLink(slot=function.slot, width=width, speed_gts=speed)
