"""The network ports. Source: Linux Documentation/ABI/testing/sysfs-class-net."""

import re
from pathlib import Path

from agent import network, text
from agent.inventory.pci import read_device
from agent.kernel import Kernel

_MAC = re.compile(r"([0-9a-f]{2}:){5}[0-9a-f]{2}")
# Ports that a report may hold: `bringup.wire.report.HardwareInventory` refuses more.
_MAX_PORTS = 1024
_PCI_FILES = ("vendor", "device", "class")  # a virtio device, between port and PCI device, has no class


def interfaces(root: Path, kernel: Kernel) -> list[dict[str, object]]:
    """As `bringup.wire.report.Interface` has them, by name; without their neighbours."""
    found = (_interface(root, port, kernel) for port in network.ports(root)[:_MAX_PORTS])
    return [interface for interface in found if interface is not None]


def _interface(root: Path, port: str, kernel: Kernel) -> dict[str, object] | None:
    folder = root / "sys/class/net" / port
    mac = (kernel.permanent_mac(port) or text.read_text(folder / "address")).lower()
    if not _MAC.fullmatch(mac):
        return None
    speed = text.read_number(folder / "speed")  # -1: unknown
    return {
        "name": port,
        "mac_address": mac,
        "has_carrier": network.has_carrier(root, port),
        "speed_mbps": speed if speed is not None and speed > 0 else None,
        "ipv4_address": kernel.ipv4_address(port),
        "product": _product(folder / "device"),
        "firmware_version": _firmware(kernel.firmware_version(port)),
    }


def _firmware(version: str | None) -> str | None:
    """Drivers write "" or N/A where there is none."""
    return text.device_text(version) if version not in (None, "", "N/A") else None


def _product(device: Path) -> str:
    """``vendor:device`` of the PCI device that the port is on; "" for any other bus."""
    real = device.resolve()
    for folder in (real, *real.parents[:4]):
        if all((folder / name).is_file() for name in _PCI_FILES):
            found = read_device(folder)
            return f"{found.vendor}:{found.device}"
    return ""
