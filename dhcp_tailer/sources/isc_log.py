r"""ISC dhcpd's log, written by syslog; its standard error has no times and cannot be read.

Source: ``dhcp.c`` and ``dhcpv6.c`` in its server/. A client's host name is in brackets behind its MAC, so that all we
trust comes before it: each pattern is anchored there, and what is in the brackets may be anything.
"""

import re
from types import MappingProxyType

from bringup import errors, model
from dhcp_tailer.sources.lease_fields import client_of, device_text, lease_event, mac_in
from dhcp_tailer.sources.log_header import header, is_marked
from dhcp_tailer.sources.parser import NO_MAC, NOT_A_LEASE, LogParser, Skip, malformed

# A line without any of these is not worth a pattern: a search for bytes costs a tenth of one.
_MARKS = (b"DHCPACK ", b"DHCPDISCOVER ", b"DHCPREQUEST ", b"DHCPRELEASE ", b"Reply NA: ", b" releases address ")
_BARE = b"DHCPACK on "  # without a header, as dhcpd writes it to its standard error

# What syslog begins a line with: "Nov 23 09:51:22 vm dhcpd[14195]: ".
_HEADER = re.compile(header(rb"dhcpd[36]?"))

# What the messages consist of. Lengths are bounded, so that no line can make a pattern slow.
_IP = rb"(?P<ip>\d{1,3}(?:\.\d{1,3}){3})"
_MAC = rb"(?P<mac>[0-9a-fA-F]{2}(?::[0-9a-fA-F]{2}){5})"
_NAME = rb"(?: \((?P<name>.*)\))?"
_VIA = rb" via [0-9A-Za-z_.:@-]{1,64}"
_CLIENT = _MAC + _NAME + _VIA
_DUID = rb"(?P<duid>[0-9a-fA-F]{1,2}(?::[0-9a-fA-F]{1,2}){1,129})"
_IP6 = rb"(?P<ip>[0-9a-fA-F:.]{2,45})"

# "DHCPACK to 10.77.1.0 (02:00:00:00:00:01)" answers a DHCPINFORM and is none of these.
_MESSAGES = MappingProxyType(
    {
        kind: re.compile(rb"(?P<kind>" + kind + rb")" + pattern, re.DOTALL)
        for kind, pattern in (
            (b"DHCPACK", rb" on " + _IP + rb" to " + _CLIENT + rb".*"),
            (b"DHCPDISCOVER", rb" from " + _CLIENT + rb".*"),
            (b"DHCPREQUEST", rb" for " + _IP + rb"(?P<selecting> \([0-9.]{7,15}\))? from " + _CLIENT + rb".*"),
            (b"DHCPRELEASE", rb" of " + _IP + rb" from " + _CLIENT + rb" \((?P<found>found|not found)\).*"),
            (
                b"Reply",
                rb" NA: address "
                + _IP6
                + rb" to client with duid "
                + _DUID
                # dhcpd prints the IAID as a signed number
                + rb" iaid = -?\d{1,10} (?:valid|static).*",
            ),
            (b"Client", rb" " + _DUID + rb" releases address " + _IP6),
        )
    }
)
_V6 = frozenset({b"Reply", b"Client"})


class IscLog(LogParser):
    """Reads ``DHCPACK on`` and ``Reply NA`` lines as leases, releases as their end."""

    name = "isc-log"

    def parse(self, record: bytes) -> model.LeaseEvent | Skip:
        """The event in one line."""
        if not is_marked(record, b"dhcpd", _MARKS) and not record.startswith(_BARE):
            return NOT_A_LEASE
        found = _HEADER.match(record)
        if found is None:
            return _without_header(record)
        begin = found.end()
        pattern = _MESSAGES.get(record[begin : record.find(b" ", begin)])
        message = pattern and pattern.fullmatch(record, begin)
        if message is None:
            return _unknown(record[found.end() :])
        try:
            return self._message(found, message)
        except errors.LeaseFormatError as error:
            return malformed(error)

    def _message(self, found: re.Match[bytes], message: re.Match[bytes]) -> model.LeaseEvent | Skip:
        mac = _mac(message)
        if mac is None:
            return NO_MAC
        match message["kind"]:
            case b"DHCPACK" | b"Reply":
                return self._acknowledged(found, message, mac)
            case b"DHCPRELEASE" | b"Client":
                return self._released(found, message, mac)
            case b"DHCPDISCOVER":
                self._pass(found)
                self._clients.discovers(mac)
            case _ if message["selecting"]:  # it names a server: it takes up an offer, RFC 2131 s.4.3.2
                self._clients.discovers(mac)
                self._pass(found)
        return NOT_A_LEASE

    def _acknowledged(self, found: re.Match[bytes], message: re.Match[bytes], mac: str) -> model.LeaseEvent:
        ip = message["ip"].decode("ascii")
        starts = self._time(found)
        action = self._clients.acknowledged(client_of(mac, ip), ip)
        name = message["name"] if message["kind"] == b"DHCPACK" else None
        return lease_event(
            mac=mac, ip=ip, action=action, starts=starts, hostname=device_text(name or b""), source=self.name
        )

    def _released(self, found: re.Match[bytes], message: re.Match[bytes], mac: str) -> model.LeaseEvent | Skip:
        if message["kind"] == b"DHCPRELEASE" and message["found"] == b"not found":
            return Skip("a release that had no effect")
        ip = message["ip"].decode("ascii")
        event = lease_event(
            mac=mac, ip=ip, action=model.LeaseAction.RELEASED, starts=self._time(found), source=self.name
        )
        self._clients.releases(client_of(mac, ip))
        return event


def _mac(message: re.Match[bytes]) -> str | None:
    if message["kind"] in _V6:
        return mac_in(str(message["duid"], "ascii"))
    return str(message["mac"], "ascii").lower()


def _without_header(record: bytes) -> Skip:
    if record.startswith(b"DHCPACK on ") or (b" dhcpd" in record and b"DHCPACK on " in record):
        return malformed("a DHCPACK without the time and process that syslog begins its lines with")
    return NOT_A_LEASE


def _unknown(body: bytes) -> Skip:
    if body.startswith((b"DHCPACK on ", b"Reply NA: address ")):
        return malformed("a lease of dhcpd with no address or no Ethernet MAC where they belong")
    return NOT_A_LEASE
