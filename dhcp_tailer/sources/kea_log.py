"""Kea's log at its INFO level, written by itself or by syslog.

Source: ``dhcp4_messages.mes`` and ``dhcp6_messages.mes``. All that is in these messages was made by Kea: addresses,
hexadecimal octets, numbers. Clients' own text is only in the packet dumps of the DEBUG level, on lines of their own.
"""

import re
from datetime import datetime

from bringup import errors, model
from dhcp_tailer.sources.lease_fields import SYSLOG, client_of, lease_event, local, mac_in
from dhcp_tailer.sources.parser import NO_MAC, NOT_A_LEASE, LogParser, Skip, malformed

# "2026-11-23 11:13:02.929 INFO  [kea-dhcp4.leases/14495.140319771460096] ", or behind the header of syslog.
_HEADER = re.compile(
    rb"(?:(?P<local>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(?:\.\d{1,9})? "
    rb"|" + SYSLOG + rb" kea-dhcp[46](?:\[\d{1,10}\])?: )"
    rb"[A-Z]{4,5} {1,2}\[kea-dhcp[46]\.[a-z0-9-]{1,40}[/.][0-9.]{1,60}\] "
)

# Behind the header, as in: DHCP4_LEASE_ALLOC [hwtype=1 02:00:00:00:00:01], cid=[no info], tid=0x90436612: lease
# 10.77.1.0 has been allocated for 40 seconds
_MESSAGE = re.compile(
    rb"DHCP[46]_(?P<kind>LEASE_ADVERT|LEASE_OFFER|LEASE_ALLOC|LEASE_REUSE|LEASE_RENEW|RELEASE|RELEASE_NA) "
    rb"(?:\[hwtype=(?P<hwtype>\d{1,3}) (?P<hwaddr>[0-9a-f:]{0,60})\]"
    rb"|duid=\[(?P<duid>[0-9a-f:]{0,400})\]"
    rb"(?:, \[(?:hwtype=(?P<hwtype6>\d{1,3}) (?P<hwaddr6>[0-9a-f:]{0,60})|no hwaddr info)\])?)"
    rb"(?:, cid=\[[^\]]{0,800}\])?, tid=0x[0-9a-f]{1,8}: "
    rb"(?:lease (?:for address )?|address |binding for address )(?P<ip>[0-9a-f.:]{2,45})(?: [^\x00-\x1f\x7f]*)?"
)
_LEASE = (b"DHCP4_LEASE_ALLOC ", b"DHCP6_LEASE_ALLOC ")  # a lease was given, whatever comes behind it
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
        header = _HEADER.match(record)
        if header is None:
            return NOT_A_LEASE
        try:
            return self._message(header, record)
        except errors.LeaseFormatError as error:
            return malformed(error)

    def _message(self, header: re.Match[bytes], record: bytes) -> model.LeaseEvent | Skip:
        message = _MESSAGE.fullmatch(record, header.end())
        if message is None:
            if record.startswith(_LEASE, header.end()):
                raise errors.LeaseFormatError("a lease of Kea with no address or no client where they belong")
            return NOT_A_LEASE
        mac = _mac(message)
        if mac is None:
            return NO_MAC
        ip = message["ip"].decode("ascii")
        if message["kind"] in _OFFERS:
            self._clients.discovers(client_of(mac, ip))
            return NOT_A_LEASE
        return self._event(message["kind"], self._time(header), mac, ip)

    def _event(self, kind: bytes, starts: datetime, mac: str, ip: str) -> model.LeaseEvent:
        client = client_of(mac, ip)
        if kind in _RELEASES:
            event = lease_event(mac=mac, ip=ip, action=model.LeaseAction.RELEASED, starts=starts, source=self.name)
            self._clients.releases(client)
            return event
        action = self._clients.acknowledged(client, ip)
        return lease_event(mac=mac, ip=ip, action=action, starts=starts, source=self.name)

    def _time(self, header: re.Match[bytes]) -> datetime:
        return local(header["local"], zone=self._zone) if header["local"] else super()._time(header)


def _mac(message: re.Match[bytes]) -> str | None:
    kind, address = message["hwtype"] or message["hwtype6"], message["hwaddr"] or message["hwaddr6"]
    if address and kind == _ETHERNET:
        return str(address, "ascii")
    return mac_in(str(message["duid"] or b"", "ascii"))
