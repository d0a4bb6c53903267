"""Firmware, boot, TPM, memory modules, ports, links and GPUs: equal passes, different fails, not collected neither."""

from typing import Any

import pytest

from bringup.inventory import Device
from bringup.model import RunState
from bringup.verdict.judge import judge
from bringup.wire.report import AgentCheck, CheckStatus, Report
from bringup_cli.simulate.hardware_report import Fault, report_of

MAC = "02:00:00:00:00:02"
NIC, GPU = "15b3:1017", "10de:2330"
DEVICE = Device.model_validate(
    {
        "name": "a",
        "nic_macs": [MAC],
        "bmc": "simulated://127.0.0.1:9000/a",
        "expected": {
            "bios_version": "2.19.1",
            "bmc_version": "7.10",
            "boot_mode": "uefi",
            "secure_boot": True,
            "tpm": "2.0",
            "dimms": {"count": 4, "speed_mts": 4800},
            "ports": [{"mac": MAC, "speed_mbps": 25000, "firmware": "22.31"}],
            "pcie": [{"id": NIC, "count": 1, "width": 16, "speed_gts": 16}, {"pci_class": "0302", "width": 8}],
            "gpus": {"count": 2, "id": GPU},
        },
    }
)
SOUND = report_of(DEVICE, Fault.NONE, "boot-1")


def differences(report: Report) -> dict[str, tuple[CheckStatus, str, str]]:
    made = judge(report, DEVICE.expected, DEVICE.nic_macs)
    return {c.name: (c.status, c.expected, c.observed) for c in made.checks if c.status is not CheckStatus.OK}


def changed(path: str, value: object) -> Report:
    """The sound report with one value changed, or without it (None)."""
    document = SOUND.model_dump(mode="json")
    place: Any = document["inventory"]
    *parts, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    for part in parts:
        place = place[part]
    place[last] = value
    return Report.model_validate(document)


def test_a_machine_with_all_of_it_passes() -> None:
    assert differences(SOUND) == {}


@pytest.mark.parametrize(
    ("path", "value", "name", "expected", "observed"),
    [
        ("firmware.bios_version", "2.18", "BIOS version", "2.19.1", "2.18"),
        ("firmware.bmc_version", "7.00", "BMC version", "7.10", "7.00"),
        ("boot.current_boot_mode", "bios", "boot mode", "uefi", "bios"),
        ("boot.secure_boot", False, "secure boot", "on", "off"),
        ("tpm", "none", "TPM", "2.0", "none"),
        ("tpm", "1.2", "TPM", "2.0", "1.2"),
        ("memory.modules", SOUND.model_dump()["inventory"]["memory"]["modules"][:3], "DIMMs", "4", "3"),
        ("memory.modules.1.speed_mts", 4400, "DIMM speed", "4800", "DIMM1 4400"),
        ("interfaces.0.speed_mbps", 10000, f"port {MAC} speed", "25000", "10000"),
        ("interfaces.0.has_carrier", False, f"port {MAC} speed", "25000", "no link"),
        ("interfaces.0.firmware_version", "22.30", f"port {MAC} firmware", "22.31", "22.30"),
        ("pcie_links.3.width", 8, f"PCIe {NIC} width", "16", "0000:03:00.0 8"),
        ("pcie_links.3.speed_gts", 8.0, f"PCIe {NIC} GT/s", "16", "0000:03:00.0 8"),
        ("pcie_links.1.width", 4, "PCIe class 0302 width", "8", "0000:01:00.0 4"),
        ("pci_devices.2", "0000:02:00.0 10de:20b0 030200", f"GPUs {GPU}", "2", "1"),
    ],
)
def test_a_difference_fails_and_is_shown(path: str, value: object, name: str, expected: str, observed: str) -> None:
    assert differences(changed(path, value)) == {name: (CheckStatus.FAIL, expected, observed)}


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("firmware", {"BIOS version", "BMC version"}),
        ("firmware.bios_version", {"BIOS version"}),
        ("boot.secure_boot", {"secure boot"}),
        ("tpm", {"TPM"}),
        ("memory.modules.1.speed_mts", {"DIMM speed"}),
        ("interfaces.0.speed_mbps", {f"port {MAC} speed"}),
        ("interfaces.0.firmware_version", {f"port {MAC} firmware"}),
        ("pcie_links.3.width", {f"PCIe {NIC} width"}),
        ("pcie_links", {"PCIe class 0302 width", f"PCIe {NIC} width", f"PCIe {NIC} GT/s"}),
    ],
)
def test_what_was_not_collected_is_a_skip(path: str, names: set[str]) -> None:
    found = differences(changed(path, None))
    assert found.keys() == names
    assert {status for status, *_ in found.values()} == {CheckStatus.SKIP}


def test_an_empty_list_of_modules_or_devices_was_not_collected() -> None:
    assert {status for status, *_ in differences(changed("memory.modules", [])).values()} == {CheckStatus.SKIP}
    assert {status for status, *_ in differences(changed("pci_devices", [])).values()} == {CheckStatus.SKIP}


def test_a_port_or_device_that_is_expected_and_not_there_fails() -> None:
    elsewhere = differences(changed("interfaces.0.mac_address", "02:00:00:00:00:99"))
    assert elsewhere[f"port {MAC}"] == (CheckStatus.FAIL, "present", "missing")
    without = differences(changed("pci_devices", ["0000:00:1f.0 8086:a1c1 060100"]))
    assert without["PCIe class 0302"] == (CheckStatus.FAIL, "present", "missing")
    assert without[f"PCIe {NIC} count"] == (CheckStatus.FAIL, "1", "0")


@pytest.mark.parametrize(
    ("line", "gpus"),
    [
        ("0000:01:00.0 10de:2330 030200", 1),
        ("0000:01:00.0 1002:74a1 120000", 1),
        ("0000:01:00.0 19e5:d802 120000", 1),
        ("0000:01:00.0 1a03:2000 030000", 0),
        ("0000:01:00.0 102b:0538 030000", 0),
        ("0000:01:00.0 15b3:1017 020000", 0),
        ("\x1b no device at all", 0),
    ],
)
def test_what_shows_the_console_of_a_bmc_is_no_gpu(line: str, gpus: int) -> None:
    device = Device.model_validate(DEVICE.model_dump() | {"expected": {"gpus": {"count": gpus}}})
    report = changed("pci_devices", ["0000:00:1f.0 8086:a1c1 060100", line])
    assert judge(report, device.expected, device.nic_macs).state is RunState.PASSED


@pytest.mark.parametrize("fault", [Fault.WORN_DISK, Fault.OLD_FIRMWARE, Fault.NARROW_LINK, Fault.MISSING_PORT])
def test_a_simulated_fault_fails_its_machine(fault: Fault) -> None:
    device = Device.model_validate(
        DEVICE.model_dump() | {"expected": DEVICE.expected.model_dump() | {"disks": [{"size_gb": 480}]}}
    )
    assert judge(report_of(device, Fault.NONE, "b"), device.expected, device.nic_macs).state is RunState.PASSED
    assert judge(report_of(device, fault, "b"), device.expected, device.nic_macs).state is RunState.FAILED


def test_however_much_a_machine_reports_its_verdict_fits_in_a_table() -> None:
    many = [f"{bus:04x}:00:00.0 {NIC} 020000" for bus in range(4096)]
    report = changed("pci_devices", many)
    wide = report.model_copy(
        update={
            "checks": tuple(AgentCheck(name=f"c{n}", status=CheckStatus.FAIL, detail="x" * 1024) for n in range(1024))
        }
    )
    made = judge(wide, DEVICE.expected, DEVICE.nic_macs)
    assert len(made.summary) < 5000
    assert made.summary.endswith("differences")
    assert all(len(check.observed) <= 1024 for check in made.checks)
    assert len([check for check in made.checks if check.name.startswith("PCIe")]) < 10


def test_a_part_that_is_listed_twice_is_one_part() -> None:
    inventory = SOUND.inventory
    gpus = [line for line in inventory.pci_devices if GPU in line]
    report = changed("pci_devices", [line for line in inventory.pci_devices if GPU not in line] + gpus[:1] * 2)
    assert differences(report)[f"GPUs {GPU}"] == (CheckStatus.FAIL, "2", "1")
    nics = judge(
        changed("interfaces", [inventory.interfaces[0].model_dump(mode="json")] * 2),
        DEVICE.expected.model_copy(update={"nics": 2}),
        DEVICE.nic_macs,
    )
    assert [check.observed for check in nics.checks if check.name == "NICs"] == ["1"]
