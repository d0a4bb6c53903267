"""Kea's log at its INFO level, written by itself or by syslog."""

import re
from datetime import datetime

from bringup.errors import LeaseFormatError
from bringup.model import LeaseAction, LeaseEvent
from dhcp_tailer.sources import duid, kea_lines, log_time
from dhcp_tailer.sources.clients_log import ClientsLog
from dhcp_tailer.sources.parser import NO_MAC, NOT_A_LEASE, Skip, lease_event, malformed

_ETHERNET = b"1"
_OFFERS = frozenset({b"LEASE_ADVERT", b"LEASE_OFFER"})  # as it is called up to Kea 2.2, and since
_RELEASES = frozenset({b"RELEASE", b"RELEASE_NA"})


class KeaLog(ClientsLog):
    """Reads ``LEASE_ALLOC`` lines as leases, ``RELEASE`` lines as ends; an offer tells new leases from renewals."""

    name = "kea-log"

    def parse(self, record: bytes) -> LeaseEvent | Skip:
        """The event in one line."""
        if not kea_lines.worth_reading(record):
            return NOT_A_LEASE
        header = kea_lines.HEADER.match(record)
        if header is None:
            return NOT_A_LEASE
        try:
            return self._message(header, record)
        except LeaseFormatError as error:
            return malformed(error)

    def _message(self, header: re.Match[bytes], record: bytes) -> LeaseEvent | Skip:
        message = kea_lines.message(record, header.end())
        if message is None:
            if kea_lines.is_lease(record, header.end()):
                raise LeaseFormatError("a lease of Kea with no address or no client where they belong")
            return NOT_A_LEASE
        mac = _mac(message)
        if mac is None:
            return NO_MAC
        ip = message["ip"].decode("ascii")
        if message["kind"] in _OFFERS:
            self._clients.discovers(duid.client_of(mac, ip))
            return NOT_A_LEASE
        return self._event(message["kind"], self._time(header), mac, ip)

    def _event(self, kind: bytes, starts: datetime, mac: str, ip: str) -> LeaseEvent:
        client = duid.client_of(mac, ip)
        if kind in _RELEASES:
            event = lease_event(mac=mac, ip=ip, action=LeaseAction.RELEASED, starts=starts, source=self.name)
            self._clients.releases(client)
            return event
        action = self._clients.acknowledged(client, ip)
        return lease_event(mac=mac, ip=ip, action=action, starts=starts, source=self.name)

    def _time(self, header: re.Match[bytes]) -> datetime:
        if header["local"]:
            return log_time.local(header["local"], zone=self._zone)
        return log_time.written(header, now=self._now, zone=self._zone)


def _mac(message: re.Match[bytes]) -> str | None:
    kind, address = message["hwtype"] or message["hwtype6"], message["hwaddr"] or message["hwaddr6"]
    if address and kind == _ETHERNET:
        return str(address, "ascii")
    return duid.mac_in(str(message["duid"] or b"", "ascii"))
