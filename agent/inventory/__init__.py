"""What the machine is made of, in the keys of `bringup.wire.report.HardwareInventory`, which are Ironic's."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from agent import lldp
from agent.inventory.cpu import cpu
from agent.inventory.disks import disks
from agent.inventory.firmware import boot, firmware, hostname, system_vendor
from agent.inventory.interfaces import interfaces
from agent.inventory.memory import memory, smbios_table
from agent.inventory.pci import pci_devices, pcie_links
from agent.inventory.tpm import tpm
from agent.kernel import Kernel
from agent.system import Effects
from agent.text import device_text

Inventory = dict[str, Any]


class Collected:
    """An inventory, and what could not be found out: a part that failed is empty, and named in ``problems``."""

    def __init__(self) -> None:
        self.parts: Inventory = {}
        self.problems: list[str] = []

    def add(self, name: str, part: Callable[[], object], instead: object) -> None:
        """Find out one part."""
        try:
            self.parts[name] = part()
        except Exception as error:  # noqa: BLE001 - one broken part must not cost the others
            self.parts[name] = instead
            self.problems.append(device_text(f"{name}: {type(error).__name__}: {error}"))


def collect(root: Path, kernel: Kernel, effects: Effects) -> Collected:
    """Look at the machine. Never raises.

    Args:
        root: where /proc, /sys and /dev are.
    """
    found = Collected()
    found.add("cpu", lambda: cpu(root), {"count": 0})
    found.add("memory", lambda: memory(root), {"total": 0, "physical_mb": 0})
    found.add("disks", lambda: disks(root, effects), [])
    found.add("interfaces", lambda: interfaces(root, kernel), [])
    found.add("system_vendor", lambda: system_vendor(root), {})
    found.add("boot", lambda: boot(root), {"current_boot_mode": "bios"})
    found.add("hostname", lambda: hostname(root), "")
    found.add("bmc_address", kernel.bmc_address, None)
    found.add("pci_devices", lambda: pci_devices(root), [])
    found.add("pcie_links", lambda: pcie_links(root), None)
    found.add("firmware", lambda: firmware(root, kernel), None)
    found.add("tpm", lambda: tpm(root, smbios_table(root)), None)
    return found


def with_neighbours(inventory: Inventory, heard: dict[str, list[lldp.Tlv]]) -> Inventory:
    """The inventory with what each port's neighbour said."""
    ports = [port | {"lldp": lldp.as_reported(heard.get(port["name"], []))} for port in inventory["interfaces"]]
    return inventory | {"interfaces": ports}
