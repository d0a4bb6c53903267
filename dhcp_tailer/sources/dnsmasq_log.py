"""dnsmasq's log, with or without ``log-dhcp``, written by itself (``log-facility``) or by syslog."""

import re
from collections.abc import Callable
from datetime import datetime, tzinfo

from pydantic import BaseModel, ConfigDict, JsonValue

from bringup.errors import LeaseFormatError
from bringup.model import LeaseAction, LeaseEvent, utc_now
from dhcp_tailer.layout import LINES
from dhcp_tailer.sources import clients, dnsmasq_lines, duid, log_time, relay, transactions
from dhcp_tailer.sources.parser import NO_MAC, NOT_A_LEASE, Skip, device_text, lease_event, malformed


class _Memory(BaseModel):
    model_config = ConfigDict(extra="forbid")

    clients: list[clients.Row]
    transactions: list[transactions.Row]


class DnsmasqLog:
    """Reads DHCPACK lines as leases, and DHCPRELEASE lines as their end.

    Args:
        now: the clock that the missing year is taken from.
        zone: of the clock that writes the log; None is the zone of this host.
    """

    name = "dnsmasq-log"
    layout = LINES

    def __init__(self, now: Callable[[], datetime] = utc_now, zone: tzinfo | None = None) -> None:
        self._now = now
        self._zone = zone
        self._clients = clients.Clients()
        self._transactions = transactions.Transactions()

    def parse(self, record: bytes) -> LeaseEvent | Skip:
        """The event in one line."""
        if not dnsmasq_lines.worth_reading(record):
            return NOT_A_LEASE
        header = dnsmasq_lines.HEADER.match(record)
        if header is None:
            return _without_header(record)
        try:
            return self._message(header, record) or self._detail(header, record) or NOT_A_LEASE
        except LeaseFormatError as error:
            return malformed(error)

    def memory(self) -> JsonValue:
        """Clients and open transactions."""
        return {
            "clients": [[mac, list(known)] for mac, known in self._clients.rows()],
            "transactions": [[xid, list(known)] for xid, known in self._transactions.rows()],
        }

    def restore(self, memory: JsonValue) -> None:
        """Take up a memory. Raises ValueError."""
        kept = _Memory.model_validate(memory)
        self._clients = clients.Clients(kept.clients)
        self._transactions = transactions.Transactions(kept.transactions)

    def _message(self, header: re.Match[bytes], record: bytes) -> LeaseEvent | Skip | None:
        message = dnsmasq_lines.MESSAGE.fullmatch(record, header.end())
        if message is None:
            message6 = dnsmasq_lines.MESSAGE6.fullmatch(record, header.end())
            return self._message6(header, message6) if message6 else None
        kind, mac = message["kind"], message["mac"].decode("ascii")
        ip = message["ip"].decode("ascii") if message["ip"] else None
        xid = header["xid"].decode("ascii") if header["xid"] else None
        if kind == b"ACK":
            return self._acknowledged(header, message, mac, ip, xid)
        if kind == b"RELEASE":
            return self._released(header, message, mac, ip)
        self._heard(kind, mac, ip, answered=not message["rest"])
        if xid:
            self._transactions.belongs_to(xid, mac)
        return NOT_A_LEASE

    def _heard(self, kind: bytes, mac: str, ip: str | None, *, answered: bool) -> None:
        if kind == b"DISCOVER":
            self._clients.discovers(mac)
        elif kind == b"REQUEST":
            self._clients.requests(mac)
        elif ip and answered:
            self._clients.informs(mac, ip)

    def _acknowledged(
        self, header: re.Match[bytes], message: re.Match[bytes], mac: str, ip: str | None, xid: str | None
    ) -> LeaseEvent | Skip:
        name = message["rest"] or b""
        if ip is None or b" " in name:
            raise LeaseFormatError("a DHCPACK that is not one address, one MAC and at most one name")
        starts = self._time(header)
        known = self._transactions.close(xid, mac) if xid else transactions.Transaction(mac)
        action = self._clients.acknowledged(mac, ip)
        if action is None:
            return Skip("answers a DHCPINFORM")
        return lease_event(
            mac=mac,
            ip=ip,
            action=action,
            starts=starts,
            hostname=known.hostname or device_text(name),
            vendor_class=known.vendor_class,
            circuit_id=known.circuit_id,
            source=self.name,
        )

    def _released(
        self, header: re.Match[bytes], message: re.Match[bytes], mac: str, ip: str | None
    ) -> LeaseEvent | Skip:
        if message["rest"]:
            return Skip("a DHCPRELEASE that had no effect")
        event = lease_event(mac=mac, ip=ip, action=LeaseAction.RELEASED, starts=self._time(header), source=self.name)
        self._clients.releases(mac)
        return event

    def _message6(self, header: re.Match[bytes], message: re.Match[bytes]) -> LeaseEvent | Skip:
        mac = duid.mac_in(message["duid"].decode("ascii"))
        ip = message["ip"].decode("ascii") if message["ip"] else None
        if mac is None:
            return NO_MAC if message["kind"] == b"REPLY" and ip else NOT_A_LEASE
        client = duid.client_of(mac, "::")
        if message["kind"] == b"SOLICIT":
            self._clients.discovers(client)
        elif message["kind"] == b"RELEASE":
            self._clients.releases(client)
            return Skip("a DHCPv6 release, which names no address")
        elif ip and b" " not in (name := message["rest"] or b""):
            action = self._clients.acknowledged(client, ip)
            starts, source = self._time(header), self.name
            return lease_event(mac=mac, ip=ip, action=action, starts=starts, hostname=device_text(name), source=source)
        return NOT_A_LEASE

    def _detail(self, header: re.Match[bytes], record: bytes) -> Skip | None:
        """Note what log-dhcp tells before or after a message; complain of a lease that we cannot read."""
        body = record[header.end() :]
        if body.startswith((b"DHCPACK(", b"DHCPRELEASE(")):
            raise LeaseFormatError("a message of dnsmasq with no address or no Ethernet MAC where they belong")
        if header["xid"] is None:
            return None
        xid = header["xid"].decode("ascii")
        if text := dnsmasq_lines.CLIENT_TEXT.fullmatch(body):
            note = self._transactions.vendor_class if text["what"] == b"vendor class" else self._transactions.hostname
            note(xid, device_text(text["text"]))
        elif agent := dnsmasq_lines.AGENT.fullmatch(body):
            self._transactions.circuit_id(
                xid, relay.circuit_id(bytes.fromhex(agent["hex"].decode("ascii").replace(":", "")))
            )
        return None

    def _time(self, header: re.Match[bytes]) -> datetime:
        return log_time.written(header, now=self._now, zone=self._zone)


def _without_header(record: bytes) -> Skip:
    if b"dnsmasq-dhcp" in record and b"DHCPACK(" in record:
        return malformed("a DHCPACK without the time and process that dnsmasq begins its lines with")
    return NOT_A_LEASE
