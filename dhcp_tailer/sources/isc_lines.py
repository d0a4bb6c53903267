r"""The lines of ISC dhcpd that we read, as patterns. Source: ``dhcp.c`` and ``dhcpv6.c`` in its server/.

A client's host name stands in brackets behind its MAC, so that all we trust comes before it: each pattern is
anchored there, and what is in the brackets may be anything.
"""

import re

_MARKS = (b"DHCPACK ", b"DHCPDISCOVER ", b"DHCPREQUEST ", b"DHCPRELEASE ", b"Reply NA: ", b" releases address ")

# What syslog begins a line with: "Nov 23 09:51:22 vm dhcpd[14195]: ".
HEADER = re.compile(
    rb"(?:(?P<month>[A-Z][a-z]{2}) (?P<day>[ 0-3]\d) (?P<clock>\d\d:\d\d:\d\d)"
    rb"|(?P<rfc3339>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)))"
    rb"(?: [0-9A-Za-z._:-]{0,254}[0-9A-Za-z])? dhcpd(?:\[\d{1,10}\])?: "
)

_IP = rb"(?P<ip>\d{1,3}(?:\.\d{1,3}){3})"
_MAC = rb"(?P<mac>[0-9a-f]{2}(?::[0-9a-f]{2}){5})"
_NAME = rb"(?: \((?P<name>.*)\))?"
_VIA = rb" via [0-9A-Za-z_.:@-]{1,64}"
_DUID = rb"(?P<duid>[0-9a-f]{1,2}(?::[0-9a-f]{1,2}){1,129})"
_IP6 = rb"(?P<ip>[0-9a-f:.]{2,45})"

# "DHCPACK to 10.77.1.0 (02:00:00:00:00:01)" answers a DHCPINFORM and is none of these.
MESSAGES = tuple(
    re.compile(pattern, re.DOTALL)
    for pattern in (
        rb"(?P<kind>DHCPACK) on " + _IP + rb" to " + _MAC + _NAME + _VIA + rb".*",
        rb"(?P<kind>DHCPDISCOVER) from " + _MAC + _NAME + _VIA + rb".*",
        rb"(?P<kind>DHCPREQUEST) for "
        + _IP
        + rb"(?P<selecting> \([0-9.]{7,15}\))? from "
        + _MAC
        + _NAME
        + _VIA
        + rb".*",
        rb"(?P<kind>DHCPRELEASE) of " + _IP + rb" from " + _MAC + _NAME + _VIA + rb" \((?P<found>found|not found)\).*",
        rb"(?P<kind>Reply) NA: address "
        + _IP6
        + rb" to client with duid "
        + _DUID
        + rb" iaid = -?\d{1,10} (?:valid|static).*",
        rb"(?P<kind>Client) " + _DUID + rb" releases address " + _IP6,
    )
)


def worth_reading(record: bytes) -> bool:
    """Whether ``record`` may be one of these lines."""
    return any(mark in record for mark in _MARKS)


def message(record: bytes, start: int) -> re.Match[bytes] | None:
    """The message that ``record`` holds from ``start`` on."""
    found = (pattern.fullmatch(record, start) for pattern in MESSAGES)
    return next((match for match in found if match), None)
