"""Kea's log at its INFO level, written by itself, by syslog, by journald or by a container.

Source: ``dhcp4_messages.mes`` and ``dhcp6_messages.mes``. All that is in these messages was made by Kea: addresses,
hexadecimal octets, numbers. Clients' own text is only in the packet dumps of the DEBUG level, on lines of their own.
"""

import json
import re
from datetime import datetime

from bringup import errors, model
from dhcp_tailer.sources.lease_fields import client_of, lease_event, mac_in
from dhcp_tailer.sources.log_header import STAMPED, header
from dhcp_tailer.sources.parser import NO_MAC, NOT_A_LEASE, LogParser, Skip, malformed

# Behind syslog's header or a container's, or alone, by the pattern of Kea's logger: "2026-11-23 11:13:02.929 INFO
# [kea-dhcp4.leases/14495.140319771460096] "; Debian's pattern is "%-5p %m", and FreeBSD writes threads as 0x8027fc000.
_OWN = (
    rb"(?:(?P<own>\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?) )?(?:[A-Z]{4,5} {1,2})?"
    rb"(?:\[kea-dhcp[46](?:\.[a-z0-9-]{1,40})?(?:[/.][0-9a-fx./]{1,60})?\] )?"
)
# No name is in both: only one of the two has matched.
_SYSLOG = re.compile(header(rb"kea-dhcp[46]") + _OWN + rb"(?=DHCP[46]_)")
_ALONE = re.compile(STAMPED + _OWN + rb"(?=DHCP[46]_)")

# Behind the header, as in: DHCP4_LEASE_ALLOC [hwtype=1 02:00:00:00:00:01], cid=[no info], tid=0x90436612: lease
# 10.77.1.0 has been allocated for 40 seconds
_TEXT = (
    rb"DHCP[46]_(?P<kind>LEASE_ADVERT|LEASE_OFFER|LEASE_ALLOC|LEASE_REUSE|LEASE_RENEW|RELEASE|RELEASE_NA) "
    rb"(?:\[hwtype=(?P<hwtype>\d{1,3}) (?P<hwaddr>[0-9a-fA-F:]{0,60})\]"
    rb"|duid=\[(?P<duid>[0-9a-fA-F:]{0,400})\]"
    rb"(?:, \[(?:hwtype=(?P<hwtype6>\d{1,3}) (?P<hwaddr6>[0-9a-fA-F:]{0,60})|no hwaddr info)\])?)"
    rb"(?:, cid=\[[^\]]{0,800}\])?(?:, tid=0x[0-9a-f]{1,8})?: "
    rb"(?:lease (?:for address )?|address |binding for address )(?P<ip>[0-9a-fA-F.:]{2,45})(?: [^\x00-\x1f\x7f]*)?"
)
_MESSAGE = re.compile(_TEXT)
# All of a line as Kea itself writes it by default: most are read by this one pattern.
_USUAL = re.compile(
    rb"(?P<stamp>(?P<iso>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,9})?))(?: (?P<zone>UTC))? [A-Z]{4,5} {1,2}"
    rb"\[kea-dhcp[46](?:\.[a-z0-9-]{1,40})?(?:[/.][0-9a-fx./]{1,60})?\] " + _TEXT
)
# A lease was given, whatever comes behind it: a line with one of these is a lease, or malformed.
_GIVEN = re.compile(rb"DHCP[46]_LEASE_(?:ALLOC|REUSE|RENEW) ")
_DOCKER = b'{"log":"'  # the lines of Docker's json-file driver, whose text is escaped
_ETHERNET = b"1"  # hardware type, IANA ARP parameters
_OFFERS = frozenset({b"LEASE_ADVERT", b"LEASE_OFFER"})  # as it is called up to Kea 2.2, and since
# DHCPv4, DHCPv6.
_RELEASES = frozenset({b"RELEASE", b"RELEASE_NA"})


class KeaLog(LogParser):
    """Reads ``LEASE_ALLOC`` lines as leases, ``RELEASE`` lines as ends; after an offer a lease is a new one."""

    name = "kea-log"

    def parse(self, record: bytes) -> model.LeaseEvent | Skip:
        """The event in one line."""
        if b"_LEASE_" not in record and b"_RELEASE" not in record:
            return NOT_A_LEASE
        if record.startswith(_DOCKER):
            record = _text_of_docker(record)
        try:
            return self._line(record)
        except errors.LeaseFormatError as error:
            return malformed(error)

    def _line(self, record: bytes) -> model.LeaseEvent | Skip:
        if usual := _USUAL.fullmatch(record):
            return self._message(usual, usual)
        first, second = (_SYSLOG, _ALONE) if b" kea-dhcp" in record else (_ALONE, _SYSLOG)
        found = first.match(record) or second.match(record)
        message = found and _MESSAGE.fullmatch(record, found.end())
        if found and message:
            return self._message(found, message)
        if _GIVEN.search(record):
            wrong = "no address or no client where they belong" if found else "a beginning that is not known"
            raise errors.LeaseFormatError(f"a lease of Kea with {wrong}")
        return NOT_A_LEASE

    def _message(self, found: re.Match[bytes], message: re.Match[bytes]) -> model.LeaseEvent | Skip:
        mac = _mac(message)
        if mac is None:
            return NO_MAC
        ip = message["ip"].decode("ascii").lower()
        if message["kind"] in _OFFERS:
            self._pass(found)
            self._clients.discovers(client_of(mac, ip))
            return NOT_A_LEASE
        return self._event(message["kind"], self._time(found), mac, ip)

    def _event(self, kind: bytes, starts: datetime, mac: str, ip: str) -> model.LeaseEvent:
        client = client_of(mac, ip)
        if kind in _RELEASES:
            event = lease_event(mac=mac, ip=ip, action=model.LeaseAction.RELEASED, starts=starts, source=self.name)
            self._clients.releases(client)
            return event
        action = self._clients.acknowledged(client, ip)
        return lease_event(mac=mac, ip=ip, action=action, starts=starts, source=self.name)

    def _time(self, found: re.Match[bytes]) -> datetime:
        """By a time that has a zone; else Kea's own, which has a year; else that of syslog."""
        own = None if found.re is _USUAL else found["own"]
        if own and not (found["iso"] and found["iso"][19:].strip(b".,0123456789")):
            return self._clock.iso(own)
        if found["stamp"] is None:
            raise errors.LeaseFormatError("a lease of Kea without a time; add %D to the pattern of its logger")
        return super()._time(found)


def _text_of_docker(record: bytes) -> bytes:
    try:
        fields = json.loads(record)
        return f"{fields['time']} {fields['log'].strip()}".encode()
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return record  # a lease in it is malformed


def _mac(message: re.Match[bytes]) -> str | None:
    kind, address = message["hwtype"] or message["hwtype6"], message["hwaddr"] or message["hwaddr6"]
    if address and kind == _ETHERNET:
        return str(address, "ascii").lower()
    return mac_in(str(message["duid"] or b"", "ascii"))
