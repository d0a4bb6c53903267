"""The PCI devices. Source: Linux Documentation/ABI/testing/sysfs-bus-pci."""

import re
from pathlib import Path
from typing import NamedTuple

from agent.text import device_text, names, read_number, read_text

_DEVICES = "sys/bus/pci/devices"
# Functions that a report may hold: `bringup.wire.report.HardwareInventory` refuses more.
_MAX_DEVICES = 4096
_SPEED = re.compile(r"([0-9]{1,3}(\.[0-9])?) GT/s")  # "16.0 GT/s PCIe"; "Unknown" without a link


class PciDevice(NamedTuple):
    """One function of one device; numbers in hex, without 0x."""

    slot: str
    vendor: str
    device: str
    kind: str  # base class, subclass, programming interface
    driven: bool  # a driver of the kernel has taken it

    def __str__(self) -> str:
        """As a report has it: ``0000:00:03.0 1af4:1000 020000``."""
        return f"{self.slot} {self.vendor}:{self.device} {self.kind}"


def pci_devices(root: Path) -> list[str]:
    """Each as ``slot vendor:device class``, by slot."""
    return [device_text(str(device)) for device in scan(root)[:_MAX_DEVICES]]


def pcie_links(root: Path) -> list[dict[str, object]]:
    """As `bringup.wire.report.PcieLink` has them: of each function on PCI Express, by slot."""
    folders = (root / _DEVICES / slot for slot in names(root / _DEVICES)[:_MAX_DEVICES])
    return [_link(folder) for folder in folders if (folder / "current_link_width").is_file()]


def _link(folder: Path) -> dict[str, object]:
    speed = _SPEED.match(read_text(folder / "current_link_speed"))
    width = read_number(folder / "current_link_width")
    return {
        "slot": device_text(folder.name),
        "width": width if width is None or width >= 0 else None,
        "speed_gts": float(speed[1]) if speed else None,
    }


def scan(root: Path) -> list[PciDevice]:
    """Every PCI function, by slot."""
    return [read_device(root / _DEVICES / slot) for slot in names(root / _DEVICES)]


def read_device(folder: Path) -> PciDevice:
    """The device in one folder of /sys."""
    vendor, device, kind = (read_text(folder / name).removeprefix("0x") for name in ("vendor", "device", "class"))
    return PciDevice(folder.name, vendor, device, kind, (folder / "driver").exists())
