"""What a report shows, in the words of the table ``expected``."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from bringup.expectation import Expectation
from bringup.identity import serial_key
from bringup.verdict.disks import GB, distinct, size_fits
from bringup.verdict.hardware import port_count
from bringup.verdict.pci import functions, is_gpu
from bringup.wire.report import Disk, HardwareInventory, Interface, MemoryModule
from bringup_cli.learn.links import pcie_of

Table = dict[str, Any]


def expected_of(found: HardwareInventory) -> Table:
    """The table ``expected`` that this machine would pass. What it did not report is left out.

    ``smart`` is never in it: that SMART data could not be read is a fault until a person says otherwise.
    """
    firmware, serial = found.firmware, found.system_vendor.serial_number
    table: Table = {
        "memory_gib": _plain(found.memory.physical_mb / 1024),
        "dimms": _dimms(found.memory.modules),
        "cpu_count": found.cpu.count,
        "nics": port_count(found),
        "serial": serial if serial_key(serial) else None,
        "disks": _disks(found.disks),
        "ports": _ports(found.interfaces),
        "pcie": pcie_of(found),
        "gpus": _gpus(found),
        "bios_version": firmware.bios_version if firmware else None,
        "bmc_version": firmware.bmc_version if firmware else None,
        "boot_mode": found.boot.current_boot_mode,
        "secure_boot": found.boot.secure_boot,
        "tpm": found.tpm,
    }
    learned = {name: value for name, value in table.items() if value is False or value}
    Expectation.model_validate(learned)
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
