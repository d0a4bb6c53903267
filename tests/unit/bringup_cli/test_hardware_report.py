"""What a simulated machine reports is as different from another's as with real machines."""

import pytest

from bringup.inventory import Device
from bringup_cli.simulate.hardware_report import Fault, report_of


def serial_of(name: str, **entry: object) -> str | None:
    document = {"name": name, "nic_macs": ["02:00:00:00:00:02"], "bmc": f"simulated://127.0.0.1:9000/{name}"}
    report = report_of(Device.model_validate(document | entry), Fault.NONE, "boot-1")
    return report.inventory.system_vendor.serial_number


def test_two_machines_report_two_serial_numbers() -> None:
    """`bringup device learn` puts them into the inventory, which refuses one number in two entries."""
    assert serial_of("a") != serial_of("b")


@pytest.mark.parametrize("entry", [{"serial": "S1"}, {"expected": {"serial": "S1"}}])
def test_a_machine_reports_the_serial_number_on_record(entry: dict[str, object]) -> None:
    assert serial_of("a", **entry) == "S1"
