"""dnsmasq's log, with or without ``log-dhcp``, written by itself (``log-facility``) or by syslog.

Source: ``log_packet`` in dnsmasq's src/rfc2131.c, ``log6_packet`` in src/rfc3315.c. Every pattern begins where the one
before it ended and runs to the end of the line: vendor class and host name are chosen by the client, who may write
``x"; DHCPACK(br0) 1.2.3.4`` into them.
"""

import re
from collections.abc import Callable
from datetime import datetime, tzinfo

from pydantic import JsonValue

from bringup import errors, model
from dhcp_tailer.sources.lease_fields import circuit_id, client_of, device_text, lease_event, mac_in
from dhcp_tailer.sources.lease_history import Transaction, TransactionRow, Transactions
from dhcp_tailer.sources.log_header import header, is_marked
from dhcp_tailer.sources.parser import NO_MAC, NOT_A_LEASE, LogChanges, LogParser, LogState, Skip, malformed

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
_HEADER = re.compile(header(rb"dnsmasq-dhcp") + rb"(?:(?P<xid>\d{1,10}) )?")

# "DHCPACK(br0) 10.77.4.16 02:00:00:00:00:01 idrac-7XK2M13": a DISCOVER may name no address.
_MESSAGE = re.compile(
    rb"DHCP(?P<kind>ACK|DISCOVER|REQUEST|RELEASE|INFORM)\([^()\x00-\x20\x7f]{1,32}\) "
    rb"(?:(?P<ip>\d{1,3}(?:\.\d{1,3}){3}) )?(?P<mac>[0-9a-fA-F]{2}(?::[0-9a-fA-F]{2}){5})"
    rb"(?: (?P<rest>[^\x00-\x1f\x7f]*))?"
)

# "DHCPREPLY(br0) fd00:77::c070 00:03:00:01:02:00:00:00:00:77 name".
_MESSAGE6 = re.compile(
    rb"DHCP(?P<kind>REPLY|SOLICIT|RELEASE)\([^()\x00-\x20\x7f]{1,32}\) "
    rb"(?:(?P<ip>[0-9a-fA-F]{0,4}(?::[0-9a-fA-F]{0,4}){2,7}) )?(?P<duid>[0-9a-fA-F]{2}(?::[0-9a-fA-F]{2}){6,129})"
    rb"(?: (?P<rest>[^\x00-\x1f\x7f]*))?"
)

# With log-dhcp, before the message that they belong to.
_CLIENT_TEXT = re.compile(rb"(?P<what>vendor class|client provides name): (?P<text>.*)", re.DOTALL)

# With log-dhcp, after the offer that they belong to: sub-options as type, length, value. Source: RFC 3046 s.2.
_AGENT = re.compile(rb"sent size: {1,3}\d{1,3} option: 82 agent-id  (?P<hex>[0-9a-f]{2}(?::[0-9a-f]{2})*)")


class _State(LogState):
    transactions: list[TransactionRow]


class _Changes(LogChanges):
    transactions: list[TransactionRow]


class DnsmasqLog(LogParser):
    """Reads DHCPACK lines as leases, and DHCPRELEASE lines as their end."""

    name = "dnsmasq-log"

    def __init__(self, now: Callable[[], datetime] = model.utc_now, zone: tzinfo | None = None) -> None:
        super().__init__(now, zone)
        self._transactions = Transactions()

    def parse(self, record: bytes) -> model.LeaseEvent | Skip:
        """The event in one line."""
        if not is_marked(record, b"dnsmasq-dhcp", _MARKS):
            return NOT_A_LEASE
        found = _HEADER.match(record)
        if found is None:
            return _without_header(record)
        try:
            return self._message(found, record) or self._detail(found, record) or NOT_A_LEASE
        except errors.LeaseFormatError as error:
            return malformed(error)

    def state(self) -> dict[str, JsonValue]:
        """Clients, clock and open transactions."""
        return {**super().state(), "transactions": self._open_transactions()}

    def restore(self, state: JsonValue) -> None:
        """Go on with a state. Raises ValueError."""
        kept = _State.model_validate(state)
        self._resume(kept)
        self._transactions = Transactions(kept.transactions)

    def changes(self) -> dict[str, JsonValue]:
        """What has changed of clients and clock since, and all open transactions: they are few, and last seconds."""
        return {**super().changes(), "transactions": self._open_transactions()}

    def apply(self, changes: JsonValue) -> None:
        """Go on with changes. Raises ValueError."""
        made = _Changes.model_validate(changes)
        self._resume_with(made)
        self._transactions = Transactions(made.transactions)

    def _open_transactions(self) -> JsonValue:
        return [[xid, list(known)] for xid, known in self._transactions.rows()]

    def _message(self, found: re.Match[bytes], record: bytes) -> model.LeaseEvent | Skip | None:
        message = _MESSAGE.fullmatch(record, found.end())
        if message is None:
            message6 = _MESSAGE6.fullmatch(record, found.end())
            return self._message6(found, message6) if message6 else None
        kind, mac = message["kind"], message["mac"].decode("ascii").lower()
        ip = message["ip"].decode("ascii") if message["ip"] else None
        xid = found["xid"].decode("ascii") if found["xid"] else None
        if kind == b"ACK":
            return self._acknowledged(found, message, mac, ip, xid)
        if kind == b"RELEASE":
            return self._released(found, message, mac, ip)
        self._pass(found)
        self._note(kind, mac, ip, answered=not message["rest"])
        if xid:
            self._transactions.belongs_to(xid, mac)
        return NOT_A_LEASE

    def _note(self, kind: bytes, mac: str, ip: str | None, *, answered: bool) -> None:
        if kind == b"DISCOVER":
            self._clients.discovers(mac)
        elif kind == b"REQUEST":
            self._clients.requests(mac)
        elif ip and answered:
            self._clients.informs(mac, ip)

    def _acknowledged(
        self, found: re.Match[bytes], message: re.Match[bytes], mac: str, ip: str | None, xid: str | None
    ) -> model.LeaseEvent | Skip:
        name = message["rest"] or b""
        if ip is None or b" " in name:
            raise errors.LeaseFormatError("a DHCPACK that is not one address, one MAC and at most one name")
        starts = self._time(found)
        known = self._transactions.close(xid, mac) if xid else Transaction(mac)
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
        self, found: re.Match[bytes], message: re.Match[bytes], mac: str, ip: str | None
    ) -> model.LeaseEvent | Skip:
        if message["rest"]:
            return Skip("a DHCPRELEASE that had no effect")
        event = lease_event(
            mac=mac, ip=ip, action=model.LeaseAction.RELEASED, starts=self._time(found), source=self.name
        )
        self._clients.releases(mac)
        return event

    def _message6(self, found: re.Match[bytes], message: re.Match[bytes]) -> model.LeaseEvent | Skip:
        mac = mac_in(message["duid"].decode("ascii"))
        ip = message["ip"].decode("ascii") if message["ip"] else None
        if mac is None:
            return NO_MAC if message["kind"] == b"REPLY" and ip else NOT_A_LEASE
        client = client_of(mac, "::")
        if message["kind"] == b"SOLICIT":
            self._clients.discovers(client)
        elif message["kind"] == b"RELEASE":
            self._clients.releases(client)
            return Skip("a DHCPv6 release, which names no address")
        elif ip and b" " not in (name := message["rest"] or b""):
            action = self._clients.acknowledged(client, ip)
            starts, source = self._time(found), self.name
            return lease_event(mac=mac, ip=ip, action=action, starts=starts, hostname=device_text(name), source=source)
        return NOT_A_LEASE

    def _detail(self, found: re.Match[bytes], record: bytes) -> Skip | None:
        """Note what log-dhcp writes before or after a message; refuse a lease that cannot be read."""
        body = record[found.end() :]
        if body.startswith((b"DHCPACK(", b"DHCPRELEASE(")):
            raise errors.LeaseFormatError("a message of dnsmasq with no address or no Ethernet MAC where they belong")
        if found["xid"] is None:
            return None
        xid = found["xid"].decode("ascii")
        if text := _CLIENT_TEXT.fullmatch(body):
            note = self._transactions.vendor_class if text["what"] == b"vendor class" else self._transactions.hostname
            note(xid, device_text(text["text"]))
        elif agent := _AGENT.fullmatch(body):
            sub_options = bytes.fromhex(agent["hex"].decode("ascii").replace(":", ""))
            self._transactions.circuit_id(xid, circuit_id(sub_options))
        return None


def _without_header(record: bytes) -> Skip:
    if b"dnsmasq-dhcp" in record and (b"DHCPACK(" in record or b"DHCPREPLY(" in record):
        return malformed("a lease without the time and process that dnsmasq begins its lines with")
    return NOT_A_LEASE
