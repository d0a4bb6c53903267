"""What a BMC's answers over IPMI mean; an answer that is too short or refused means nothing."""

from agent import kernel


def test_an_address_is_four_octets_after_completion_code_and_revision() -> None:
    assert kernel.address_in(bytes([0, 0x11, 192, 0, 2, 7])) == "192.0.2.7"


def test_a_bmc_without_an_address_has_none() -> None:
    for response in (b"", bytes([0, 0x11, 0, 0, 0, 0]), bytes([0xCC, 0x11, 192, 0, 2, 7]), bytes([0, 0x11, 192])):
        assert kernel.address_in(response) is None


def test_a_firmware_version_has_its_minor_part_in_bcd() -> None:
    assert kernel.version_in(bytes([0, 0x20, 0x01, 0x87, 0x10])) == "7.10"
    for response in (b"", bytes([0, 0x20]), bytes([0xC1, 0x20, 0x01, 0x87, 0x10])):
        assert kernel.version_in(response) is None


def test_without_an_ipmi_device_nothing_is_known_of_the_bmc() -> None:
    assert (kernel.bmc_address("/nonexistent"), kernel.bmc_version("/nonexistent")) == (None, None)
