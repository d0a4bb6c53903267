"""What one report teaches of a machine, in the words of the inventory."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any, NamedTuple

from bringup import expectation, identity
from bringup.verdict.disks import GB, distinct, size_fits
from bringup.verdict.hardware import port_count
from bringup.verdict.pci import PciFunction, functions, is_gpu
from bringup.wire.report import Disk, HardwareInventory, Interface, MemoryModule, PcieLink, Report

# The classes of PCI devices whose links are learned, besides GPUs: those that slow a server down when they are narrow.
# Source: PCI Code and ID Assignment 1.11.
_STORAGE_AND_NETWORK = ("01", "02")
# A slot that `expected` can name: domain, bus, device and function, as sysfs has them.
_SLOT = re.compile(r"[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]")
Shape = tuple[int | None, float | None]  # width, GT/s
Table = dict[str, Any]


class Learned(NamedTuple):
    """What a report shows, in the words of the inventory.

    Args:
        run_id: the run of the report.
        found: the inventory in the report.
        nic_macs: the ports of the host.
        expected: the table ``expected`` that the machine would pass.
        bmc_mac: None if it is not known.
        bmc_address: as the machine reports it; None if it does not.
    """

    run_id: str
    found: HardwareInventory
    nic_macs: tuple[str, ...]
    expected: dict[str, Any]
    bmc_mac: str | None
    bmc_address: str | None


def learn(run_id: str, report: Report, macs: tuple[str, ...]) -> Learned:
    """What the report of a run shows, in the words of the inventory.

    Args:
        run_id: the run.
        report: of its machine.
        macs: under which the machine asked for leases. One that is no port of the host is its BMC's.
    """
    found = report.inventory
    ports = tuple(dict.fromkeys(interface.mac_address for interface in found.interfaces))
    bmc_macs = [mac for mac in macs if mac not in ports]
    return Learned(
        run_id=run_id,
        found=found,
        nic_macs=ports,
        expected=expected_of(found),
        bmc_mac=bmc_macs[0] if len(bmc_macs) == 1 else None,
        bmc_address=found.bmc_address,
    )


def expected_of(found: HardwareInventory) -> Table:
    """The table ``expected`` that this machine would pass. What it did not report is left out.

    ``smart`` is never in it: that SMART data could not be read is a fault until a person decides otherwise.
    """
    firmware, serial = found.firmware, found.system_vendor.serial_number
    table: Table = {
        "memory_gib": _plain(found.memory.physical_mb / 1024),
        "dimms": _dimms(found.memory.modules),
        "cpu_count": found.cpu.count,
        "nics": port_count(found),
        "serial": serial if identity.serial_key(serial) else None,
        "disks": _disks(found.disks),
        "ports": _ports(found.interfaces),
        "pcie": _pcie_of(found),
        "gpus": _gpus(found),
        "bios_version": firmware.bios_version if firmware else None,
        "bmc_version": firmware.bmc_version if firmware else None,
        "boot_mode": found.boot.current_boot_mode,
        "secure_boot": found.boot.secure_boot,
        "tpm": found.tpm,
    }
    learned = {name: value for name, value in table.items() if value is False or value}
    expectation.Expectation.model_validate(learned)
    return learned


def _plain(number: float) -> float | int:
    return int(number) if number == int(number) else number


def _dimms(modules: tuple[MemoryModule, ...]) -> Table:
    speeds = {module.speed_mts for module in modules}
    speed = speeds.pop() if len(speeds) == 1 else None
    return _given(count=len(modules), speed_mts=speed) if modules else {}


def _disks(disks: Iterable[Disk]) -> list[Table]:
    """Without serial numbers: a disk that is replaced by another of its kind is no difference."""
    kinds = Counter((_size_gb(disk.size), disk.type, disk.model) for disk in distinct(disks) if disk.size)
    return [
        _given(size_gb=size_gb, count=count, type=kind, model=model) for (size_gb, kind, model), count in kinds.items()
    ]


def _size_gb(size: int) -> float | int:
    """As the disk was sold, where that is a whole number of GB."""
    whole = round(size / GB)
    return whole if whole and size_fits(size, whole) else size / GB


def _ports(interfaces: Iterable[Interface]) -> list[Table]:
    ports = {interface.mac_address: _port(interface) for interface in interfaces}
    return [port for port in ports.values() if len(port) > 1]


def _port(interface: Interface) -> Table:
    return _given(
        mac=interface.mac_address,
        speed_mbps=interface.speed_mbps if interface.has_carrier else None,
        firmware=interface.firmware_version,
    )


def _gpus(found: HardwareInventory) -> Table:
    gpus = [function for function in functions(found) if is_gpu(function)]
    ids = {gpu.id for gpu in gpus}
    return _given(count=len(gpus), id=ids.pop() if len(ids) == 1 else None) if gpus else {}


def _given(**values: Any) -> Table:
    return {name: value for name, value in values.items() if value}


def _pcie_of(found: HardwareInventory) -> list[dict[str, Any]]:
    """One line for all functions of one id that have the same link; a line for each slot where they differ."""
    links = {link.slot: link for link in found.pcie_links or ()}
    by_id: defaultdict[str, list[tuple[PciFunction, Shape]]] = defaultdict(list)
    for function in functions(found):
        if _matters(function) and any(shape := _shape(function, links.get(function.slot))):
            by_id[function.id].append((function, shape))
    every = functions(found)
    return [
        line
        for pci_id, members in by_id.items()
        for line in _lines(pci_id, members, sum(function.id == pci_id for function in every))
    ]


def _matters(function: PciFunction) -> bool:
    return function.pci_class.startswith(_STORAGE_AND_NETWORK) or is_gpu(function)


def _shape(function: PciFunction, link: PcieLink | None) -> Shape:
    """Width and speed of a link, without the speed of a GPU's: an idle GPU slows its link down."""
    if link is None:
        return None, None
    return link.width, None if is_gpu(function) else link.speed_gts


def _lines(pci_id: str, members: list[tuple[PciFunction, Shape]], of_this_id: int) -> list[dict[str, Any]]:
    shapes = {shape for _, shape in members}
    if len(shapes) == 1 and len(members) == of_this_id:
        return [_line({"id": pci_id, "count": of_this_id}, shapes.pop())]
    return [_line({"slot": f.slot, "id": pci_id}, shape) for f, shape in members if _SLOT.fullmatch(f.slot)]


def _line(selected: dict[str, Any], shape: Shape) -> dict[str, Any]:
    width, speed_gts = shape
    link = {"width": width, "speed_gts": int(speed_gts) if speed_gts and speed_gts.is_integer() else speed_gts}
    return selected | {name: value for name, value in link.items() if value}
