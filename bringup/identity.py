"""What names one machine: serial numbers, UUIDs and MACs in one spelling, and what only looks like them. Pure."""

import re
from collections.abc import Iterable
from uuid import UUID

# What firmware shows where the factory wrote nothing. Source: SMBIOS data of many vendors; compared in lower case.
_PLACEHOLDERS = frozenset(
    {
        "0123456789",
        "123456789",
        "1234567890",
        "01234567",
        "12345678",
        "1234567",
        "123456",
        "chassis serial number",
        "default string",
        "empty",
        "invalid",
        "n/a",
        "na",
        "no serial",
        "none",
        "not applicable",
        "not available",
        "not provided",
        "not specified",
        "null",
        "o.e.m.",
        "oem",
        "serial",
        "serial number",
        "system serial number",
        "tbd",
        "to be filled by o.e.m",
        "to be filled by o.e.m.",
        "to be filled by oem",
        "undefined",
        "unknown",
        "unspecified",
    }
)
# AMI's default, in both byte orders.
_PLACEHOLDER_UUIDS = frozenset({"03000200-0400-0500-0006-000700080009", "00020003-0004-0005-0006-000700080009"})
_NOT_HEX = re.compile(r"[^0-9a-f]")
_MAC_DIGITS = 12  # six octets; InfiniBand has 20, of which none is a MAC


def serial_key(text: str | None) -> str | None:
    """One spelling of a serial number: lower case, single blanks. None: it names no machine."""
    key = " ".join((text or "").split()).casefold()
    if key in _PLACEHOLDERS or len(set(filter(str.isalnum, key))) < 2:  # 00000000, xxxx, ....
        return None
    return key


def uuid_key(text: str | None) -> str | None:
    """One spelling of a UUID, the same for both byte orders of SMBIOS. None: it names no machine.

    Firmware before SMBIOS 2.6 wrote the first three fields in network order, later firmware little-endian, and
    tools show either: both spellings are one UUID here. Source: DSP0134 s.7.2.1.
    """
    try:
        found = UUID((text or "").strip())
    except ValueError:
        return None
    spellings = {str(found), str(UUID(bytes_le=found.bytes))}
    if found.int in {0, 2**128 - 1} or spellings & _PLACEHOLDER_UUIDS:
        return None
    return min(spellings)


def mac_keys(texts: Iterable[str]) -> frozenset[str]:
    """MACs in one spelling; what is none, or names no port, is left out."""
    digits = (_NOT_HEX.sub("", text.strip().lower().removeprefix("0x")) for text in texts)
    return frozenset(d for d in digits if len(d) == _MAC_DIGITS and len(set(d)) > 1)
