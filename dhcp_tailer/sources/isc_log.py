"""ISC dhcpd's log, written by syslog; its standard error has no times and cannot be read."""

import re
from datetime import datetime

from bringup.errors import LeaseFormatError
from bringup.model import LeaseAction, LeaseEvent
from dhcp_tailer.sources import duid, isc_lines, log_time
from dhcp_tailer.sources.clients_log import ClientsLog
from dhcp_tailer.sources.parser import NO_MAC, NOT_A_LEASE, Skip, device_text, lease_event, malformed


class IscLog(ClientsLog):
    """Reads ``DHCPACK on`` and ``Reply NA`` lines as leases, releases as their end."""

    name = "isc-log"

    def parse(self, record: bytes) -> LeaseEvent | Skip:
        """The event in one line."""
        if not isc_lines.worth_reading(record):
            return NOT_A_LEASE
        header = isc_lines.HEADER.match(record)
        if header is None:
            return _without_header(record)
        message = isc_lines.message(record, header.end())
        if message is None:
            return _unknown(record[header.end() :])
        try:
            return self._message(header, message)
        except LeaseFormatError as error:
            return malformed(error)

    def _message(self, header: re.Match[bytes], message: re.Match[bytes]) -> LeaseEvent | Skip:
        mac = _mac(message)
        if mac is None:
            return NO_MAC
        match message["kind"]:
            case b"DHCPACK" | b"Reply":
                return self._acknowledged(header, message, mac)
            case b"DHCPRELEASE" | b"Client":
                return self._released(header, message, mac)
            case b"DHCPDISCOVER":
                self._clients.discovers(mac)
            case _ if message["selecting"]:  # it names a server: it takes up an offer, RFC 2131 s.4.3.2
                self._clients.discovers(mac)
        return NOT_A_LEASE

    def _acknowledged(self, header: re.Match[bytes], message: re.Match[bytes], mac: str) -> LeaseEvent:
        ip = message["ip"].decode("ascii")
        starts = self._time(header)
        action = self._clients.acknowledged(duid.client_of(mac, ip), ip)
        name = message.groupdict().get("name") or b""
        return lease_event(mac=mac, ip=ip, action=action, starts=starts, hostname=device_text(name), source=self.name)

    def _released(self, header: re.Match[bytes], message: re.Match[bytes], mac: str) -> LeaseEvent | Skip:
        if message.groupdict().get("found") == b"not found":
            return Skip("a release that had no effect")
        ip = message["ip"].decode("ascii")
        event = lease_event(mac=mac, ip=ip, action=LeaseAction.RELEASED, starts=self._time(header), source=self.name)
        self._clients.releases(duid.client_of(mac, ip))
        return event

    def _time(self, header: re.Match[bytes]) -> datetime:
        return log_time.written(header, now=self._now, zone=self._zone)


def _mac(message: re.Match[bytes]) -> str | None:
    said = message.groupdict()
    if mac := said.get("mac"):
        return str(mac, "ascii")
    return duid.mac_in(str(said["duid"], "ascii"))


def _without_header(record: bytes) -> Skip:
    if record.startswith(b"DHCPACK on ") or (b" dhcpd" in record and b"DHCPACK on " in record):
        return malformed("a DHCPACK without the time and process that syslog begins its lines with")
    return NOT_A_LEASE


def _unknown(body: bytes) -> Skip:
    if body.startswith((b"DHCPACK on ", b"Reply NA: address ")):
        return malformed("a lease of dhcpd with no address or no Ethernet MAC where they belong")
    return NOT_A_LEASE
