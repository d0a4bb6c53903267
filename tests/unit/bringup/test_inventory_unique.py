"""What names one machine belongs to one entry of the inventory; else it is refused, with both names."""

from typing import Any

import pytest

from bringup.errors import InventoryError
from bringup.inventory import Device, Inventory

UUID = "4c4c4544-0058-4b10-8032-b7c04f4d3133"
SWAPPED = "44454c4c-5800-104b-8032-b7c04f4d3133"
SYSTEMS = "https://10.0.0.7/redfish/v1/Systems"


def device(number: int, **fields: Any) -> Device:
    default = {"name": f"m{number}", "bmc_mac": f"52:54:00:00:00:0{number}", "bmc": f"https://10.0.1.{number}"}
    return Device.model_validate(default | fields)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"bmc": "https://10.0.0.7"}, {"bmc": "https://10.0.0.7:443/"}),
        ({"bmc": "https://BMC.example.com"}, {"bmc": "https://bmc.example.com"}),
        ({"bmc": f"{SYSTEMS}/1"}, {"bmc": f"{SYSTEMS}/1/"}),
        ({"bmc": "https://10.0.0.7"}, {"bmc": f"{SYSTEMS}/2"}),
        ({"bmc": f"{SYSTEMS}/2"}, {"bmc": "https://10.0.0.7"}),
        ({"serial": "7XK2M13"}, {"serial": " 7xk2m13"}),
        ({"serial": "7XK2M13"}, {"expected": {"serial": "7XK2M13"}}),
        ({"uuid": UUID}, {"uuid": UUID.upper()}),
        ({"uuid": UUID}, {"uuid": SWAPPED}),
        ({"nic_macs": ["52:54:00:00:0b:01"]}, {"nic_macs": ["52-54-00-00-0B-01"]}),
        ({"nic_macs": ["52:54:00:00:0b:01"]}, {"bmc_mac": "52:54:00:00:0b:01"}),
    ],
)
def test_what_two_entries_share_refuses_the_inventory_with_both_names(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    with pytest.raises(InventoryError, match=r"device m2: .* belongs to m1 .*too"):
        Inventory([device(1, **one), device(2, **other)])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"bmc": f"{SYSTEMS}/1"}, {"bmc": f"{SYSTEMS}/2"}),
        ({"bmc": "https://10.0.0.7"}, {"bmc": "https://10.0.0.7:8443"}),
        ({"serial": "To be filled by O.E.M."}, {"serial": "To be filled by O.E.M."}),
        ({"serial": "0123456789"}, {"expected": {"serial": "0123456789"}}),
        ({"uuid": "0" * 8 + "-0000-0000-0000-" + "0" * 12}, {"uuid": "0" * 8 + "-0000-0000-0000-" + "0" * 12}),
        ({"serial": "A1"}, {"serial": "A2"}),
    ],
)
def test_what_two_entries_may_have(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert len(Inventory([device(1, **one), device(2, **other)]).by_name) == 2


def test_two_serials_of_one_entry_must_agree() -> None:
    assert device(1, serial="A1", expected={"serial": "a1"}).serial_key == "a1"
    with pytest.raises(ValueError, match="give one"):
        device(1, serial="A1", expected={"serial": "A2"})


def test_what_is_no_uuid_is_refused() -> None:
    with pytest.raises(ValueError, match="must be a UUID"):
        device(1, uuid="7XK2M13")


@pytest.mark.parametrize(
    ("fields", "needed"),
    [
        ({}, False),
        ({"bmc_verify": False}, True),
        ({"bmc_verify": False, "serial": "None"}, True),
        ({"bmc_verify": False, "serial": "A1"}, False),
        ({"bmc_verify": False, "uuid": UUID}, False),
        ({"bmc_verify": False, "expected": {"serial": "A1"}}, False),
    ],
)
def test_without_a_certificate_a_serial_or_uuid_is_needed(fields: dict[str, Any], *, needed: bool) -> None:
    assert device(1, **fields).needs_identity is needed


def test_a_machine_is_found_by_any_of_its_names() -> None:
    found = Inventory([device(1, serial="A1"), device(2, uuid=UUID), device(3, nic_macs=["52:54:00:00:0b:03"])])
    for name, seen in {
        "m1": ("a1 ", None, ()),
        "m2": (None, SWAPPED, ()),
        "m3": (None, None, ["525400000B03"]),
    }.items():
        owners = found.devices_with(serials=(seen[0],), uuid=seen[1], macs=seen[2])
        assert [owner.name for owner in owners] == [name]
    assert list(found.devices_with(serials=("None",), uuid=None, macs=())) == []


def test_a_machine_with_the_names_of_two_is_found_under_both() -> None:
    found = Inventory([device(1, serial="A1", uuid=UUID), device(2, nic_macs=["52:54:00:00:0b:03"])])
    owners = found.devices_with(serials=("A1", None), uuid=UUID, macs=["525400000B03"])
    assert {owner.name for owner in owners} == {"m1", "m2"}
