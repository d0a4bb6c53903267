"""What the machine is made of, in the keys of `bringup.wire.report.HardwareInventory`, which are Ironic's."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from agent import lldp, text
from agent.inventory import cpu, disks, firmware, interfaces, memory, pci
from agent.kernel import Kernel
from agent.system import System

Inventory = dict[str, Any]


class Collected:
    """An inventory, and what could not be read: a part that failed is empty, and named in ``problems``."""

    def __init__(self) -> None:
        self.parts: Inventory = {}
        self.problems: list[str] = []

    def add(self, name: str, read: Callable[[], object], default: object) -> None:
        """Read one part.

        Args:
            name: its key.
            read: returns it.
            default: takes its place where ``read`` raises.
        """
        try:
            self.parts[name] = read()
        except Exception as error:  # noqa: BLE001 - one broken part must not cost the others
            self.parts[name] = default
            self.problems.append(text.device_text(f"{name}: {type(error).__name__}: {error}"))


def collect(root: Path, kernel: Kernel, system: System) -> Collected:
    """Read the whole inventory; never raises.

    Args:
        root: the folder that holds /proc, /sys and /dev.
        kernel: answers what is in no file.
        system: runs smartctl.
    """
    found = Collected()
    found.add("cpu", lambda: cpu.cpu(root), {"count": 0})
    found.add("memory", lambda: memory.memory(root), {"total": 0, "physical_mb": 0})
    found.add("disks", lambda: disks.disks(root, system), [])
    found.add("interfaces", lambda: interfaces.interfaces(root, kernel), [])
    found.add("system_vendor", lambda: firmware.system_vendor(root), {})
    found.add("boot", lambda: firmware.boot(root), {"current_boot_mode": "bios"})
    found.add("hostname", lambda: firmware.hostname(root), "")
    found.add("bmc_address", kernel.bmc_address, None)
    found.add("pci_devices", lambda: pci.pci_devices(root), [])
    found.add("pcie_links", lambda: pci.pcie_links(root), None)
    found.add("firmware", lambda: firmware.firmware(root, kernel), None)
    found.add("tpm", lambda: firmware.tpm(root, memory.smbios_table(root)), None)
    return found


def with_neighbours(inventory: Inventory, announcements: dict[str, list[lldp.Tlv]]) -> Inventory:
    """The inventory with the LLDP announcement that each port has received."""
    ports = [port | {"lldp": lldp.as_reported(announcements.get(port["name"], []))} for port in inventory["interfaces"]]
    return inventory | {"interfaces": ports}
