"""What of a BMC's words contradicts the record, and what does not."""

from typing import Any

import pytest

from api.runs.machine_identity import contradiction, first_contact, known_as_another, other_than, other_than_cleaned_up
from api.runs.records import DeviceRecord, KnownDevice
from bringup.inventory import Device, Inventory
from bringup.model import DeviceState
from bringup.wire.run import MachineIdentity

UUID = "4c4c4544-0058-4b10-8032-b7c04f4d3133"
SWAPPED = "44454c4c-5800-104b-8032-b7c04f4d3133"
OTHER_UUID = "4c4c4544-0058-4b10-8032-b7c04f4d3134"
NIC, NIC_2, OTHER_NIC = "52:54:00:00:0b:01", "52:54:00:00:0b:02", "52:54:00:00:0b:99"
FORGOTTEN_BY_FIRMWARE = "To be filled by O.E.M."


def device_of(pinned: MachineIdentity | None = None, **entry: Any) -> KnownDevice:
    fields = {"name": "m1", "bmc_mac": "52:54:00:00:0a:01", "bmc": "https://10.0.0.1"}
    record = DeviceRecord(name="m1", state=DeviceState.VALIDATING, identity=pinned)
    return KnownDevice(record, Device.model_validate(fields | entry))


def compared(device: KnownDevice, *others: Device, **seen: Any) -> str | None:
    assert device.entry
    return contradiction(device, MachineIdentity(**seen), Inventory([device.entry, *others]))


@pytest.mark.parametrize(
    ("entry", "seen"),
    [
        ({}, {}),
        ({}, {"serial": "A1", "uuid": UUID, "macs": (NIC,)}),
        ({"serial": "7XK2M13"}, {}),
        ({"serial": "7XK2M13"}, {"serial": " 7xk2m13 "}),
        ({"serial": "7XK2M13"}, {"serial": "CNIVC0099A0123", "sku": "7XK2M13"}),
        ({"serial": "7XK2M13"}, {"serial": "CNIVC0099A0123", "asset_tag": "7XK2M13"}),
        ({"serial": "7XK2M13"}, {"serial": FORGOTTEN_BY_FIRMWARE}),
        ({"serial": FORGOTTEN_BY_FIRMWARE}, {"serial": "7XK2M13"}),
        ({"expected": {"serial": "7XK2M13"}}, {"serial": "7XK2M13"}),
        ({"uuid": UUID}, {"uuid": UUID.upper()}),
        ({"uuid": UUID}, {"uuid": SWAPPED}),
        ({"uuid": UUID}, {"uuid": "00000000-0000-0000-0000-000000000000"}),
        ({"nic_macs": [NIC, NIC_2]}, {"macs": (NIC.upper(),)}),
        ({"nic_macs": [NIC]}, {"macs": (OTHER_NIC, NIC.replace(":", "-"))}),
        ({"nic_macs": [NIC]}, {"macs": ("00:00:00:00:00:00",)}),
    ],
)
def test_what_does_not_contradict(entry: dict[str, Any], seen: dict[str, Any]) -> None:
    assert compared(device_of(**entry), **seen) is None


@pytest.mark.parametrize(
    ("entry", "seen", "both"),
    [
        ({"serial": "7XK2M13"}, {"serial": "7XK2M14"}, ("7XK2M13", "7XK2M14")),
        ({"expected": {"serial": "7XK2M13"}}, {"serial": "B2"}, ("7XK2M13", "B2")),
        ({"serial": "7XK2M13"}, {"serial": "CNIVC0099A0123", "sku": "7XK2M14"}, ("7XK2M13", "CNIVC0099A0123")),
        ({"uuid": UUID}, {"uuid": OTHER_UUID}, (UUID, OTHER_UUID)),
        ({"serial": "A1", "uuid": UUID}, {"serial": "A1", "uuid": OTHER_UUID}, (UUID, OTHER_UUID)),
        ({"nic_macs": [NIC, NIC_2]}, {"macs": (OTHER_NIC,)}, (NIC, OTHER_NIC)),
    ],
)
def test_what_contradicts_the_inventory_is_told_with_both_values(
    entry: dict[str, Any], seen: dict[str, Any], both: tuple[str, str]
) -> None:
    why = compared(device_of(**entry), **seen)
    assert why
    assert all(value in why for value in both)


@pytest.mark.parametrize(
    ("pinned", "seen"),
    [
        ({"serial": "A1"}, {"serial": "A2"}),
        ({"uuid": UUID}, {"uuid": OTHER_UUID}),
        ({"macs": (NIC,)}, {"macs": (OTHER_NIC,)}),
    ],
)
def test_what_contradicts_the_first_contact_is_told(pinned: dict[str, Any], seen: dict[str, Any]) -> None:
    known = MachineIdentity(**pinned)
    assert "at the first contact" in (compared(device_of(known), **seen) or "")
    assert compared(device_of(known), **pinned) is None


def test_what_the_inventory_says_goes_before_what_was_seen_first() -> None:
    known = MachineIdentity(serial="A1")
    assert compared(device_of(known, serial="A2"), serial="A2") is None


def test_a_machine_that_the_inventory_gives_to_another_name_is_not_this_one() -> None:
    for names in ({"serial": "B7"}, {"uuid": UUID}, {"nic_macs": [NIC]}):
        fields = {"name": "in-service", "bmc_mac": "52:54:00:00:0a:02", "bmc": "https://bmc.example.com"}
        owner = Device.model_validate(fields | names)
        why = compared(device_of(), owner, serial="B7", uuid=SWAPPED, macs=(NIC,))
        assert why
        assert "in-service" in why


def test_a_service_tag_that_is_shown_as_the_sku_names_another_machine_too() -> None:
    owner = Device.model_validate(
        {"name": "in-service", "nic_macs": [NIC], "bmc": "https://10.0.0.2", "serial": "7XK2M13"}
    )
    assert "in-service" in (compared(device_of(), owner, serial="CNIVC0099A0123", sku="7XK2M13") or "")


def test_a_port_of_another_machine_counts_whatever_serial_and_uuid_say() -> None:
    owner = Device.model_validate({"name": "in-service", "nic_macs": [OTHER_NIC], "bmc": "https://10.0.0.2"})
    why = compared(device_of(serial="A1", uuid=UUID), owner, serial="A1", uuid=UUID, macs=(OTHER_NIC,))
    assert "in-service" in (why or "")


@pytest.mark.parametrize(
    ("seen", "is_enough"),
    [
        ({"serial": "A1"}, True),
        ({"sku": "A1"}, True),
        ({}, False),
        ({"serial": FORGOTTEN_BY_FIRMWARE}, False),
        ({"macs": (NIC,)}, False),
    ],
)
def test_without_a_certificate_the_serial_must_be_shown(seen: dict[str, Any], *, is_enough: bool) -> None:
    why = compared(device_of(serial="A1", bmc_verify=False), **seen)
    assert (why is None) is is_enough


@pytest.mark.parametrize(("seen", "is_enough"), [(UUID, True), (SWAPPED, True), (OTHER_UUID, False), (None, False)])
def test_without_a_certificate_the_uuid_on_record_confirms_the_machine(seen: str | None, *, is_enough: bool) -> None:
    why = compared(device_of(uuid=UUID, bmc_verify=False), uuid=seen)
    assert (why is None) is is_enough


def test_a_machine_that_left_the_inventory_contradicts_whatever_answers() -> None:
    gone = KnownDevice(DeviceRecord(name="m1", state=DeviceState.VALIDATING), None)
    assert "no longer in the inventory" in (contradiction(gone, MachineIdentity(), Inventory()) or "")


def test_the_pin_keeps_what_was_seen_first_and_takes_what_was_missing() -> None:
    first = first_contact(None, MachineIdentity(serial="A1"))
    later = first_contact(first, MachineIdentity(serial="A2", macs=(NIC,)))
    assert (later.serial, later.macs) == ("A1", (NIC,))


def test_a_run_stays_with_the_system_that_it_began_with() -> None:
    began = MachineIdentity(system_path="/redfish/v1/Systems/1")
    assert other_than(began, MachineIdentity(system_path="/redfish/v1/Systems/2"))
    assert other_than(began, MachineIdentity(system_path="/redfish/v1/Systems/1/")) is None


def test_the_system_of_an_earlier_run_binds_no_later_one() -> None:
    pinned = MachineIdentity(serial="A1", system_path="/redfish/v1/Systems/1")
    assert compared(device_of(pinned), serial="A1", system_path="/redfish/v1/Systems/Self") is None


def seen_first_as(name: str, *, is_on_record: bool = True) -> KnownDevice:
    fields = {"name": name, "bmc_mac": "52:54:00:00:0a:02", "bmc": "https://bmc.example.com"}
    entry = Device.model_validate(fields) if is_on_record else None
    return KnownDevice(DeviceRecord(name=name, state=DeviceState.APPROVED), entry)


def test_a_uuid_that_was_seen_under_another_name_is_that_machine_until_the_inventory_says_whose_it_is() -> None:
    seen = MachineIdentity(uuid=SWAPPED)
    assert "--forget-identity" in (known_as_another(device_of(), seen, seen_first_as("m2")) or "")
    assert known_as_another(device_of(uuid=UUID), seen, seen_first_as("m2")) is None
    assert known_as_another(device_of(), seen, seen_first_as("m1")) is None
    assert known_as_another(device_of(), seen, seen_first_as("m2", is_on_record=False)) is None
    assert known_as_another(device_of(), seen, None) is None


def test_where_a_run_began_with_an_unknown_machine_its_clean_up_asks_the_inventory() -> None:
    device = device_of(serial="A1")
    assert device.entry
    inventory = Inventory([device.entry])
    assert other_than_cleaned_up(device, None, MachineIdentity(serial="B2"), inventory)
    assert other_than_cleaned_up(device, MachineIdentity(), MachineIdentity(serial="B2"), inventory)
    assert other_than_cleaned_up(device, None, MachineIdentity(serial="A1"), inventory) is None
