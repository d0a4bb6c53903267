r"""The lines of dnsmasq that we read, as patterns. Source: ``log_packet`` in dnsmasq's src/rfc2131.c.

Every pattern begins where the one before it ended and runs to the end of the line: vendor class and host name
are chosen by the client, who may write ``x"; DHCPACK(br0) 1.2.3.4`` into them.
"""

import re

# A line without any of these is not worth a pattern: a search for bytes costs a tenth of one.
_MARKS = (
    b"DHCPACK(",
    b"DHCPDISCOVER(",
    b"DHCPREQUEST(",
    b"DHCPRELEASE(",
    b"DHCPINFORM(",
    b"DHCPREPLY(",
    b"DHCPSOLICIT(",
    b" vendor class: ",
    b" client provides name: ",
    b" agent-id ",
)

# "Nov 23 09:41:36 dnsmasq-dhcp[8265]: 3725161531 ": log-facility writes no host, log-dhcp adds the xid.
HEADER = re.compile(
    rb"(?:(?P<month>[A-Z][a-z]{2}) (?P<day>[ 0-3]\d) (?P<clock>\d\d:\d\d:\d\d)"
    rb"|(?P<rfc3339>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)))"
    rb"(?: [0-9A-Za-z._:-]{0,254}[0-9A-Za-z])? dnsmasq-dhcp\[\d{1,10}\]: (?:(?P<xid>\d{1,10}) )?"
)

# "DHCPACK(br0) 10.77.4.16 02:00:00:00:00:01 idrac-7XK2M13": a DISCOVER may name no address.
MESSAGE = re.compile(
    rb"DHCP(?P<kind>ACK|DISCOVER|REQUEST|RELEASE|INFORM)\([^()\x00-\x20\x7f]{1,32}\) "
    rb"(?:(?P<ip>\d{1,3}(?:\.\d{1,3}){3}) )?(?P<mac>[0-9a-f]{2}(?::[0-9a-f]{2}){5})"
    rb"(?: (?P<rest>[^\x00-\x1f\x7f]*))?"
)

# "DHCPREPLY(br0) fd00:77::c070 00:03:00:01:02:00:00:00:00:77 name". Source: ``log6_packet`` in src/rfc3315.c.
MESSAGE6 = re.compile(
    rb"DHCP(?P<kind>REPLY|SOLICIT|RELEASE)\([^()\x00-\x20\x7f]{1,32}\) "
    rb"(?:(?P<ip>[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,7}) )?(?P<duid>[0-9a-f]{2}(?::[0-9a-f]{2}){6,129})"
    rb"(?: (?P<rest>[^\x00-\x1f\x7f]*))?"
)

# With log-dhcp, before the message that they belong to.
CLIENT_TEXT = re.compile(rb"(?P<what>vendor class|client provides name): (?P<text>.*)", re.DOTALL)

# With log-dhcp, after the offer that they belong to: sub-options as type, length, value. Source: RFC 3046 s.2.
AGENT = re.compile(rb"sent size: {1,3}\d{1,3} option: 82 agent-id  (?P<hex>[0-9a-f]{2}(?::[0-9a-f]{2})*)")


def worth_reading(record: bytes) -> bool:
    """Whether ``record`` may be one of these lines."""
    return any(mark in record for mark in _MARKS)
