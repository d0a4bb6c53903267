"""The report of a simulated machine: what its inventory entry expects, less what its fault takes away."""

from enum import StrEnum

from bringup import expectation, inventory
from bringup.verdict.pci import PciFunction, is_selected
from bringup.wire import report as wire

# NVMe allows up to 255 % of the rated endurance: far beyond what any limit of the verdict accepts.
# Source: NVM Express Base Specification 2.0, 5.16.1.3, Percentage Used.
_WORN_OUT_PERCENT = 250
# The counters of disks that have just been unpacked: nothing in them may disturb a verdict.
_NEW_NVME = {
    wire.SmartCounter.CRITICAL_WARNING: 0,
    wire.SmartCounter.AVAILABLE_SPARE: 100,
    wire.SmartCounter.SPARE_THRESHOLD: 10,
    wire.SmartCounter.PERCENTAGE_USED: 1,
    wire.SmartCounter.MEDIA_ERRORS: 0,
}
_NEW_ATA = {
    wire.SmartCounter.REALLOCATED_SECTORS: 0,
    wire.SmartCounter.REPORTED_UNCORRECTABLE: 0,
    wire.SmartCounter.PENDING_SECTORS: 0,
    wire.SmartCounter.OFFLINE_UNCORRECTABLE: 0,
    wire.SmartCounter.PERCENTAGE_USED: 1,
}
# PCI functions: every machine has a bridge; what the inventory expects without an id or a class gets those of a
# common GPU or network card. Source: PCI Code and ID Assignment 1.11 (classes), pci-ids.ucw.cz (ids).
_BRIDGE = PciFunction("0000:00:1f.0", "8086:a1c1", "060100")
_GPU_ID, _NIC_ID = "10de:20b0", "15b3:1017"
_GPU_CLASS, _NIC_CLASS = "030200", "020000"
# What a machine has where its inventory entry expects nothing: PCIe 4.0 x16, DDR5-4800 in modules of 16 GiB, 25 GbE.
_WIDTH, _SPEED_GTS = 16, 16.0
_MODULE_MB = 16 * 1024
_SPEED_MTS, _SPEED_MBPS = 4800, 25_000
# How much of the physical memory the kernel reports; the firmware and the kernel itself keep the rest.
_KERNEL_SHARE = 0.98


class Fault(StrEnum):
    """How a simulated machine fails; one way for each machine."""

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
    SILENT = "silent"  # boots, calls once, and never again
    BAD_TOKEN = "bad-token"  # noqa: S105 - boots, and calls with a token that is not its own
    CRASH_LOOP = "crash-loop"  # boots, calls, and restarts, again and again


def report_of(device: inventory.Device, fault: Fault, boot_id: str) -> wire.Report:
    """The report that the agent on this machine would send.

    Args:
        device: its inventory entry.
        fault: how it fails.
        boot_id: of its present boot.
    """
    return wire.Report(
        schema_version=1,
        boot_id=boot_id,
        agent="bringup simulated agent",
        simulated=True,
        inventory=_hardware(device, fault),
        checks=_checks(fault),
    )


def _hardware(device: inventory.Device, fault: Fault) -> wire.HardwareInventory:
    expected = device.expected
    memory_gib = (expected.memory_gib or 64) / (2 if fault is Fault.WRONG_MEMORY else 1)
    functions = _functions_of(expected)
    return wire.HardwareInventory(
        cpu=wire.Cpu(count=expected.cpu_count or 16, model_name="Simulated CPU @ 2.40GHz", architecture="x86_64"),
        memory=_memory(memory_gib, expected.dimms or expectation.ExpectedDimms(speed_mts=_SPEED_MTS)),
        disks=_disks_of(expected.disks, fault),
        interfaces=_interfaces(device, fault),
        system_vendor=wire.SystemVendor(
            manufacturer="Simulated",
            product_name="Simulated server",
            serial_number=device.expectation.serial or f"SIM-{device.name}",  # one serial number belongs to one machine
        ),
        boot=wire.Boot(current_boot_mode=expected.boot_mode or "uefi", secure_boot=bool(expected.secure_boot)),
        hostname=device.name,
        pci_devices=tuple(f"{f.slot} {f.id} {f.pci_class}" for f in functions),
        pcie_links=_links_of(functions, expected, fault),
        firmware=_firmware(expected, fault),
        tpm=expected.tpm or "2.0",
    )


def _firmware(expected: expectation.Expectation, fault: Fault) -> wire.Firmware:
    bios = "0.0-old" if fault is Fault.OLD_FIRMWARE else expected.bios_version or "1.0-simulated"
    return wire.Firmware(bios_version=bios, bmc_version=expected.bmc_version or "1.00")


def _memory(gib: float, dimms: expectation.ExpectedDimms) -> wire.Memory:
    physical_mb = int(gib * 1024)
    count = dimms.count or max(1, physical_mb // _MODULE_MB)
    modules = tuple(
        wire.MemoryModule(slot=f"DIMM{n}", size_mb=physical_mb // count, speed_mts=dimms.speed_mts or _SPEED_MTS)
        for n in range(count)
    )
    return wire.Memory(total=int(gib * expectation.GIB * _KERNEL_SHARE), physical_mb=physical_mb, modules=modules)


def _interfaces(device: inventory.Device, fault: Fault) -> tuple[wire.Interface, ...]:
    known = list(dict.fromkeys([*device.nic_macs, *(port.mac for port in device.expected.ports)]))
    wanted = max(device.expected.nics or 0, len(known), 1)
    invented = [f"02:5a:00:00:{n:02x}:{sum(device.name.encode()) % 256:02x}" for n in range(wanted - len(known))]
    if fault is Fault.MISSING_PORT:
        known = known[:-1]
    ports = {port.mac: port for port in device.expected.ports}
    return tuple(
        _interface(n, mac, ports.get(mac), has_carrier=not (fault is Fault.LINK_DOWN and n == 0))
        for n, mac in enumerate(known + invented)
    )


def _interface(
    number: int, mac: str, expected: expectation.ExpectedPort | None, *, has_carrier: bool
) -> wire.Interface:
    return wire.Interface(
        name=f"eth{number}",
        mac_address=mac,
        has_carrier=has_carrier,
        speed_mbps=(expected and expected.speed_mbps) or _SPEED_MBPS,
        firmware_version=(expected and expected.firmware) or "1.0-simulated",
    )


def _checks(fault: Fault) -> tuple[wire.AgentCheck, ...]:
    link_down = fault is Fault.LINK_DOWN
    links = wire.CheckStatus.WARN if link_down else wire.CheckStatus.OK
    return (
        wire.AgentCheck(name="memory", status=wire.CheckStatus.OK, detail="no machine-check events"),
        wire.AgentCheck(name="disks", status=wire.CheckStatus.OK, detail="all readable"),
        wire.AgentCheck(name="smart", status=wire.CheckStatus.OK, detail="all disks answered"),
        wire.AgentCheck(
            name="machine-checks", status=wire.CheckStatus.OK, detail="no hardware error in the kernel's log"
        ),
        wire.AgentCheck(name="inventory", status=wire.CheckStatus.OK, detail="everything could be read"),
        wire.AgentCheck(name="links", status=links, detail="eth0 has no carrier" if link_down else "all up"),
    )


def _disks_of(expected: tuple[expectation.ExpectedDisk, ...], fault: Fault) -> tuple[wire.Disk, ...]:
    """The expected disks, new; the first one is worn out where that is the fault."""
    wanted = [disk for disk in expected for _ in range(disk.count)]
    return tuple(_disk(n, want, worn=fault is Fault.WORN_DISK and n == 0) for n, want in enumerate(wanted))


def _disk(number: int, want: expectation.ExpectedDisk, *, worn: bool) -> wire.Disk:
    kind = want.type or "ssd"
    return wire.Disk(
        name=f"/dev/nvme{number}n1" if kind == "nvme" else f"/dev/sd{_letters(number)}",
        size=round(want.size_gb * 10**9),
        model=want.model or "Simulated disk",
        serial=want.serial or f"SIM-DISK-{number}",
        rotational=kind == "hdd",
        type=kind,
        smart=_smart(nvme=kind == "nvme", used=_WORN_OUT_PERCENT if worn else 1),
    )


def _smart(*, nvme: bool, used: int) -> wire.Smart:
    counters = (_NEW_NVME if nvme else _NEW_ATA) | {wire.SmartCounter.PERCENTAGE_USED: used}
    return wire.Smart(protocol="nvme" if nvme else "ata", passed=True, counters=dict(counters))


def _letters(number: int) -> str:
    """As the kernel counts: a to z, then aa."""
    head, tail = divmod(number, 26)
    return (_letters(head - 1) if head else "") + chr(ord("a") + tail)


def _functions_of(expected: expectation.Expectation) -> list[PciFunction]:
    """The bridge that every machine has, and what is expected."""
    found = [_BRIDGE]
    gpus = expected.gpus
    for _ in range(gpus.count if gpus else 0):
        found.append(PciFunction(_slot(found), (gpus and gpus.id) or _GPU_ID, _GPU_CLASS))
    for want in expected.pcie:
        lacking = (want.count or 1) - sum(is_selected(function, want) for function in found)
        for _ in range(lacking):
            found.append(_made_for(want, _slot(found)))
    return found


def _made_for(want: expectation.ExpectedPcie, slot: str) -> PciFunction:
    return PciFunction(want.slot or slot, want.id or _NIC_ID, (want.pci_class or _NIC_CLASS).ljust(6, "0"))


def _slot(found: list[PciFunction]) -> str:
    return f"0000:{len(found):02x}:00.0"


def _links_of(
    functions: list[PciFunction], expected: expectation.Expectation, fault: Fault
) -> tuple[wire.PcieLink, ...]:
    """The link of each function as it is expected; one is narrower where that is the fault."""
    links = [_link(function, expected) for function in functions]
    if fault is Fault.NARROW_LINK and len(links) > 1:
        links[1] = links[1].model_copy(update={"width": 1})
    return tuple(links)


def _link(function: PciFunction, expected: expectation.Expectation) -> wire.PcieLink:
    wants = [want for want in expected.pcie if is_selected(function, want)]
    width = next((want.width for want in wants if want.width), _WIDTH)
    speed = next((want.speed_gts for want in wants if want.speed_gts), _SPEED_GTS)
    return wire.PcieLink(slot=function.slot, width=width, speed_gts=speed)
