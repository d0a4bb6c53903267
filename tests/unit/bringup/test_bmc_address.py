"""One BMC in its many spellings."""

import pytest

from bringup.bmc_address import host_key, same_bmc, system_key


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://BMC7.example.com", "https://bmc7.example.com"),
        ("https://bmc7.example.com.", "https://bmc7.example.com"),
        ("https://10.0.0.7:443", "https://10.0.0.7"),
        ("https://10.0.0.7/", "https://10.0.0.7"),
        ("https://10.7", "https://10.0.0.7"),
        ("https://0x0a000007", "https://10.0.0.7"),
        ("https://%31%30.0.0.7", "https://10.0.0.7"),
        ("https://[2001:db8:0:0::7]", "https://[2001:DB8::7]:443/"),
        ("https://[::ffff:10.0.0.7]", "https://10.0.0.7"),
        ("https://10.0.0.7/redfish/v1/", "https://10.0.0.7"),
        ("https://10.0.0.7/redfish/v1/Systems/1/", "https://10.0.0.7/redfish/v1/Systems/1"),
        ("https://10.0.0.7/redfish/v1/Systems/%31", "https://10.0.0.7/redfish/v1/Systems/1"),
        ("https://10.0.0.7//redfish/v1/./systems/1", "https://10.0.0.7/redfish/v1/Systems/1"),
        ("simulated://127.0.0.1:9000/r1", "simulated://127.0.0.1:9000/r1/"),
    ],
)
def test_two_spellings_of_one_bmc_are_the_same(one: str, other: str) -> None:
    assert same_bmc(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://10.0.0.7", "https://10.0.0.8"),
        ("https://10.0.0.7", "https://10.0.0.7:8443"),
        ("https://10.0.0.7/redfish/v1/Systems/1", "https://10.0.0.7/redfish/v1/Systems/2"),
        ("https://10.0.0.7", None),
    ],
)
def test_two_bmcs_are_not_the_same(one: str, other: str | None) -> None:
    assert not same_bmc(one, other)


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("https://", "host"),
        ("https://:443", "host"),
        ("https://h:99999", "[Pp]ort"),
        ("https://[::1", "IPv6"),
        ("https://bmcé.example", "ASCII"),
    ],
)
def test_what_is_no_address_is_refused(address: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        host_key(address)


def test_an_address_without_a_system_names_none() -> None:
    assert system_key("https://10.0.0.7/redfish/v1") == ""
