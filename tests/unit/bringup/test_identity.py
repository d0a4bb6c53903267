"""What names one machine, and what only looks like it."""

import pytest

from bringup.identity import mac_keys, serial_key, uuid_key

UUID = "4c4c4544-0058-4b10-8032-b7c04f4d3133"
SWAPPED = "44454c4c-5800-104b-8032-b7c04f4d3133"


@pytest.mark.parametrize("other", ["7XK2M13", " 7xk2m13 ", "7xK2m13\t"])
def test_a_serial_is_one_in_any_case_and_white_space(other: str) -> None:
    assert serial_key(other) == serial_key("7XK2M13")


@pytest.mark.parametrize(
    "text",
    [
        *(None, "", "  ", "None", "N/A", "0123456789", "To be filled by O.E.M.", "to be  filled by o.e.m."),
        *("Default string", "System Serial Number", "00000000", "XXXXXXXX", "........", "Not Specified"),
    ],
)
def test_what_firmware_shows_instead_of_a_serial_names_no_machine(text: str | None) -> None:
    assert serial_key(text) is None


@pytest.mark.parametrize("other", [UUID.upper(), f" {UUID} ", SWAPPED, SWAPPED.upper()])
def test_a_uuid_is_one_in_any_case_and_in_both_byte_orders(other: str) -> None:
    assert uuid_key(other) == uuid_key(UUID)


def test_another_uuid_is_another() -> None:
    assert uuid_key(UUID) != uuid_key(UUID.replace("3133", "3134"))


@pytest.mark.parametrize(
    "text", [None, "", "none", "0" * 32, "f" * 32, "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF", "not a uuid"]
)
def test_a_uuid_of_zeros_or_ones_names_no_machine(text: str | None) -> None:
    assert uuid_key(text) is None


def test_amis_default_uuid_names_no_machine_in_either_byte_order() -> None:
    assert uuid_key("03000200-0400-0500-0006-000700080009") is None
    assert uuid_key("00020003-0004-0005-0006-000700080009") is None


def test_macs_are_read_in_every_spelling_and_those_that_name_no_port_are_left_out() -> None:
    spellings = ["52:54:00:AA:00:01", "52-54-00-aa-00-02", "525400aa0003", "5254.00aa.0004"]
    no_ports = ["", "none", "00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff", "00:11:22:33:44:55:66:77"]
    assert mac_keys([*spellings, *no_ports]) == {f"525400aa000{n}" for n in range(1, 5)}
