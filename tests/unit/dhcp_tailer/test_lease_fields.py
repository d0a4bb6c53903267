"""The Ethernet address in a DHCPv6 client's identifier. Source: RFC 8415 s.11."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dhcp_tailer.sources.lease_fields import mac_in, mac_of


@pytest.mark.parametrize(
    ("text", "mac"),
    [
        ("00:01:00:01:32:97:00:ea:00:0c:01:02:03:04", "00:0c:01:02:03:04"),  # DUID-LLT
        ("00:03:00:01:02:00:00:00:00:77", "02:00:00:00:00:77"),  # DUID-LL
        ("0:3:0:1:2:0:0:0:0:77", "02:00:00:00:00:77"),  # as dhcpd may write it
        ("00:03:00:06:02:00:00:00:00:77", None),  # IEEE 802
        ("00:01:00:20:32:97:00:ea:00:0c:01:02:03:04", None),  # InfiniBand
        ("00:03:00:01:02:00:00:00:00", None),
        ("00:03:00:01:02:00:00:00:00:77:88:99", None),
        ("00:02:00:00:ab:11:aa:bb:cc:dd:ee:ff", None),  # DUID-EN
        ("00:04:00:01:02:00:00:00:00:77:00:00:00:00:00:00:00:00", None),  # DUID-UUID
        ("", None),
        ("not hexadecimal", None),
        ("1ff:00", None),
    ],
)
def test_only_an_ethernet_address_is_a_mac(text: str, mac: str | None) -> None:
    assert mac_in(text) == mac


@given(duid=st.binary(max_size=140))
def test_any_identifier_is_read_without_an_error(duid: bytes) -> None:
    assert mac_of(duid) is None or duid.endswith(bytes.fromhex(str(mac_of(duid)).replace(":", "")))
