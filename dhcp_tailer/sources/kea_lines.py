"""The lines of Kea that we read, as patterns. Source: ``dhcp4_messages.mes`` and ``dhcp6_messages.mes``.

All that stands in these messages was made by Kea: addresses, hexadecimal octets, numbers. Clients' own text stands
only in the packet dumps of the DEBUG level, on lines of their own.
"""

import re

# "2026-11-23 11:13:02.929 INFO  [kea-dhcp4.leases/14495.140319771460096] ", or behind the header of syslog.
HEADER = re.compile(
    rb"(?:(?P<local>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(?:\.\d{1,9})? "
    rb"|(?:(?P<month>[A-Z][a-z]{2}) (?P<day>[ 0-3]\d) (?P<clock>\d\d:\d\d:\d\d)"
    rb"|(?P<rfc3339>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)))"
    rb"(?: [0-9A-Za-z._:-]{0,254}[0-9A-Za-z])? kea-dhcp[46](?:\[\d{1,10}\])?: )"
    rb"[A-Z]{4,5} {1,2}\[kea-dhcp[46]\.[a-z0-9-]{1,40}[/.][0-9.]{1,60}\] "
)

_MESSAGE = re.compile(
    rb"DHCP[46]_(?P<kind>LEASE_ADVERT|LEASE_OFFER|LEASE_ALLOC|LEASE_REUSE|LEASE_RENEW|RELEASE|RELEASE_NA) "
    rb"(?:\[hwtype=(?P<hwtype>\d{1,3}) (?P<hwaddr>[0-9a-f:]{0,60})\]"
    rb"|duid=\[(?P<duid>[0-9a-f:]{0,400})\]"
    rb"(?:, \[(?:hwtype=(?P<hwtype6>\d{1,3}) (?P<hwaddr6>[0-9a-f:]{0,60})|no hwaddr info)\])?)"
    rb"(?:, cid=\[[^\]]{0,800}\])?, tid=0x[0-9a-f]{1,8}: "
    rb"(?:lease (?:for address )?|address |binding for address )(?P<ip>[0-9a-f.:]{2,45})(?: [^\x00-\x1f\x7f]*)?"
)


def worth_reading(record: bytes) -> bool:
    """Whether ``record`` may be one of these lines."""
    return b"_LEASE_" in record or b"_RELEASE" in record


def message(record: bytes, start: int) -> re.Match[bytes] | None:
    """The message that ``record`` holds from ``start`` on."""
    return _MESSAGE.fullmatch(record, start)


def is_lease(record: bytes, start: int) -> bool:
    """Whether it says that a lease was given, in whatever words."""
    return record.startswith((b"DHCP4_LEASE_ALLOC ", b"DHCP6_LEASE_ALLOC "), start)
