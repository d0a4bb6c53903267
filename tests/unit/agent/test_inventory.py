"""What the agent finds fits the wire, strictly; a part that breaks costs no other."""

import json
import os
from typing import Any

from agent import inventory
from bringup.wire.report import HardwareInventory
from tests.unit.agent.tree import END, KERNEL, MAC, PCI, Stage, Tree, array, module, structure


def found(tree: Tree) -> dict[str, Any]:
    collected = inventory.collect(tree.root, KERNEL, Stage().system)
    assert collected.problems == []
    return inventory.with_neighbours(collected.parts, {"eth0": [(1, b"\x04\x02"), (127, b"\x00\x1b")]})


def test_the_whole_inventory_is_as_the_wire_has_it(tree: Tree) -> None:
    parsed = HardwareInventory.model_validate_json(json.dumps(found(tree)), strict=True)
    assert (parsed.cpu.count, parsed.cpu.model_name, parsed.cpu.frequency) == (1, "QEMU Virtual CPU", "2100.000")
    assert parsed.cpu.flags == ("fpu", "vme", "sse2")
    assert (parsed.memory.total, parsed.memory.physical_mb) == (160000 * 1024, 192)
    assert [(d.name, d.size, d.serial, d.rotational) for d in parsed.disks] == [("/dev/vda", 2**20, "S-1", False)]
    (port,) = parsed.interfaces
    assert (port.name, port.mac_address, port.has_carrier, port.speed_mbps) == ("eth0", MAC, True, 1000)
    assert (port.ipv4_address, port.product) == ("192.0.2.7", "1af4:1000")
    assert port.lldp == ((1, "0402"), (127, "001b"))
    assert parsed.pci_devices == ("0000:00:03.0 1af4:1000 020000", "0000:00:04.0 1af4:1001 010000")
    assert (parsed.system_vendor.manufacturer, parsed.boot.current_boot_mode, parsed.hostname) == ("QEMU", "bios", "")


def test_secure_boot_is_the_fifth_byte_of_its_variable(tree: Tree) -> None:
    assert found(tree)["boot"] == {"current_boot_mode": "bios", "secure_boot": False}
    variable = "sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
    for value, secure in ((b"\6\0\0\0\1", True), (b"\6\0\0\0\0", False), (b"\1", None)):
        tree.put(variable, value)
        assert found(tree)["boot"] == {"current_boot_mode": "uefi", "secure_boot": secure}


def test_only_the_machines_own_disks_are_disks(tree: Tree) -> None:
    for name in ("ram0", "loop1", "sr0", "fd0", "zram0", "dm-1", "md127", "mmcblk0boot0"):
        tree.disk(name)
    tree.disk("sdb", removable="1")
    tree.disk("nvme0c0n1", hidden="1")
    tree.disk("sdc", sectors=0)
    tree.disk("sda")
    for file, content in (("model", b"DISK X  "), ("wwid", b"naa.5000c500"), ("vpd_pg80", b"\0\x80\0\4SN-9")):
        tree.put(f"sys/block/sda/device/{file}", content)
    disks = found(tree)["disks"]
    assert [disk["name"] for disk in disks] == ["/dev/sda", "/dev/vda"]
    assert (disks[0]["model"], disks[0]["wwn"], disks[0]["serial"]) == ("DISK X", "0x5000c500", "SN-9")


def test_the_address_that_a_port_was_made_with_counts(tree: Tree) -> None:
    kernel = KERNEL._replace(permanent_mac=lambda _: "02:00:00:00:0A:FF")
    assert (
        inventory.collect(tree.root, kernel, Stage().system).parts["interfaces"][0]["mac_address"]
        == "02:00:00:00:0a:ff"
    )


def test_a_port_of_unknown_speed_has_none(tree: Tree) -> None:
    tree.put("sys/class/net/eth0/speed", "-1")
    assert found(tree)["interfaces"][0]["speed_mbps"] is None


def test_without_smbios_the_memory_is_the_kernels_rounded_up(tree: Tree) -> None:
    (tree.root / "sys/firmware/dmi/tables/DMI").unlink()
    assert found(tree)["memory"] == {"total": 160000 * 1024, "physical_mb": 192, "modules": []}


def test_what_a_device_reports_of_itself_cannot_break_the_report(tree: Tree) -> None:
    tree.put("sys/class/dmi/id/product_serial", b"\xff\x1b[31m" + b"\n" * 3000 + b"x")
    tree.put("sys/firmware/dmi/tables/DMI", array(0x1000) + module(192, slot="\x1b" * 900) + END)
    tree.disk("sdx", serial="\x07" * 1000)
    HardwareInventory.model_validate_json(json.dumps(found(tree)), strict=True)


def test_a_part_that_breaks_is_named_and_costs_no_other(tree: Tree) -> None:
    tree.put("proc/meminfo", "nonsense")
    kernel = KERNEL._replace(bmc_address=lambda: str(1 // 0))
    collected = inventory.collect(tree.root, kernel, Stage().system)
    assert len(collected.problems) == 2
    assert collected.problems[0].startswith("memory: ValueError")
    HardwareInventory.model_validate_json(json.dumps(collected.parts), strict=True)


def test_a_machine_of_which_nothing_can_be_read_has_an_inventory_too(tree: Tree) -> None:
    for path in ("proc", "sys", "dev"):
        os.rename(tree.root / path, tree.root / f"no-{path}")  # noqa: PTH104 - a whole tree
    collected = inventory.collect(tree.root, KERNEL, Stage().system)
    HardwareInventory.model_validate_json(json.dumps(collected.parts), strict=True)


def test_disks_are_distinguished_by_type(tree: Tree) -> None:
    tree.disk("sda")
    tree.put("sys/block/sda/queue/rotational", "1")
    tree.disk("sdb")
    tree.disk("nvme0n1")
    (tree.root / "sys/block/vda/queue/rotational").unlink()
    types = {disk["name"]: disk["type"] for disk in found(tree)["disks"]}
    assert types == {"/dev/nvme0n1": "nvme", "/dev/sda": "hdd", "/dev/sdb": "ssd", "/dev/vda": None}


def test_the_link_of_a_pcie_device_is_as_negotiated_now(tree: Tree) -> None:
    tree.put(f"{PCI}/current_link_width", "8\n")
    tree.put(f"{PCI}/current_link_speed", "16.0 GT/s PCIe\n")
    assert found(tree)["pcie_links"] == [{"slot": "0000:00:03.0", "width": 8, "speed_gts": 16.0}]
    tree.put(f"{PCI}/current_link_speed", "Unknown\n")
    assert found(tree)["pcie_links"] == [{"slot": "0000:00:03.0", "width": 8, "speed_gts": None}]


def test_versions_of_firmware_are_reported_where_there_are_any(tree: Tree) -> None:
    assert found(tree)["firmware"] == {"bios_version": None, "bmc_version": None}
    tree.put("sys/class/dmi/id/bios_version", "2.19.1\n")
    kernel = KERNEL._replace(bmc_version=lambda: "7.10", firmware_version=lambda _: "22.31.1014 (MT_0000000359)")
    parts = inventory.collect(tree.root, kernel, Stage().system).parts
    assert parts["firmware"] == {"bios_version": "2.19.1", "bmc_version": "7.10"}
    assert parts["interfaces"][0]["firmware_version"] == "22.31.1014 (MT_0000000359)"
    none = KERNEL._replace(firmware_version=lambda _: "N/A")
    assert inventory.collect(tree.root, none, Stage().system).parts["interfaces"][0]["firmware_version"] is None


def test_a_tpm_is_found_by_its_driver_its_acpi_table_or_smbios(tree: Tree) -> None:
    assert found(tree)["tpm"] is None, "there is nothing to ask"
    tree.put("sys/firmware/acpi/tables/FACP")
    assert found(tree)["tpm"] == "none"
    tree.put("sys/firmware/dmi/tables/DMI", structure(43, 1, b"INTC\x02\x00" + bytes(21)) + END)
    assert found(tree)["tpm"] == "2.0"
    tree.put("sys/firmware/acpi/tables/TCPA")
    assert found(tree)["tpm"] == "1.2"
    tree.put("sys/firmware/acpi/tables/TPM2")
    assert found(tree)["tpm"] == "2.0"
    tree.put("sys/class/tpm/tpm0/tpm_version_major", "1\n")
    assert found(tree)["tpm"] == "1.2"
