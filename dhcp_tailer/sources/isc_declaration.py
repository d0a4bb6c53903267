"""What one ``lease`` or ``ia-na`` declaration says. Source: dhcpd.leases(5)."""

import calendar
import re
from collections.abc import Iterable
from dataclasses import dataclass

from bringup.errors import LeaseFormatError
from dhcp_tailer.sources import duid
from dhcp_tailer.sources.isc_text import Statement, unquoted
from dhcp_tailer.sources.parser import device_text

ACTIVE = b"active"
_DATE = re.compile(rb"(\d{4})/(\d\d?)/(\d\d?)")
_CLOCK = re.compile(rb"(\d\d?):(\d\d):(\d\d)")
_VENDOR_CLASS = (b"vendor-class-identifier", b"vendor-class")  # as the configuration of docs/dhcp.md names it
_LATEST_S = 253402300799  # the last second of the year 9999


@dataclass
class Declaration:
    """One address and the state it is in."""

    ip: str
    state: bytes = b""
    mac: str | None = None
    starts: int | None = None  # seconds since the epoch
    ends: int | None = None  # the same; None: never, or not told
    hostname: str | None = None
    vendor_class: str | None = None
    client_id: str | None = None
    circuit_id: str | None = None


def read(text: list[Statement]) -> Declaration:
    """The declaration in a record. Raises LeaseFormatError."""
    if len(text) != 1 or len(text[0].words) != 2:
        raise LeaseFormatError("not one declaration with one name")
    (kind, name), body = text[0].words, text[0].body
    if kind == b"lease":
        said = Declaration(name.decode("ascii", "replace"))
        _note(said, body)
        return said
    return _read_v6(unquoted(name), body)


def _read_v6(iaid_and_duid: bytes, body: list[Statement]) -> Declaration:
    """An identity association holds addresses; several, of which one is active, after a renumbering."""
    addresses = [_address(statement) for statement in body if statement.words[:1] == [b"iaaddr"]]
    if not addresses:
        raise LeaseFormatError("an identity association without an address")
    said = next((address for address in addresses if address.state == ACTIVE), addresses[0])
    client = iaid_and_duid[4:]  # behind the IAID, RFC 8415 s.21.4
    said.mac, said.client_id = duid.mac_of(client), client.hex(":") or None
    said.starts = next((_time(s.words[1:]) for s in body if s.words[0] == b"cltt"), None)
    return said


def _address(statement: Statement) -> Declaration:
    said = Declaration(statement.words[-1].decode("ascii", "replace"))
    _note(said, statement.body)
    return said


def _note(said: Declaration, body: Iterable[Statement]) -> None:
    for statement in body:
        match statement.words:
            case [b"starts", *when]:
                said.starts = _time(when)
            case [b"ends", *when]:
                said.ends = _time(when)
            case [b"binding", b"state", state]:  # not "next binding state", nor "rewind binding state"
                said.state = state
            case [b"hardware", b"ethernet", mac]:
                said.mac = mac.decode("ascii", "replace")
            case words:
                _note_text(said, words)


def _note_text(said: Declaration, words: list[bytes]) -> None:
    """What the client, or the relay before it, chose."""
    match words:
        case [b"client-hostname", name]:
            said.hostname = device_text(unquoted(name))
        case [b"uid", uid]:
            said.client_id = unquoted(uid).hex(":") if uid.startswith(b'"') else device_text(uid)
        case [b"option", b"agent.circuit-id", circuit]:
            said.circuit_id = device_text(unquoted(circuit))
        case [b"set", name, b"=", text] if name in _VENDOR_CLASS:
            said.vendor_class = device_text(unquoted(text))


def _time(words: list[bytes]) -> int | None:
    """``1 2026/11/23 09:47:33`` in UTC, ``epoch 1795427253``, or ``never``. Raises LeaseFormatError."""
    match words:
        case [b"never"]:
            return None
        case [b"epoch", seconds] if seconds.isdigit() and len(seconds) <= 12:
            return _possible(int(seconds))
        case [_, date, clock]:
            return _calendar(date, clock)
    raise LeaseFormatError("a time that is none")


def _calendar(date: bytes, clock: bytes) -> int:
    day, time = _DATE.fullmatch(date), _CLOCK.fullmatch(clock)
    if day is None or time is None:
        raise LeaseFormatError("a time that is none")
    try:
        return _possible(calendar.timegm((*map(int, day.groups()), *map(int, time.groups()))))
    except ValueError:
        raise LeaseFormatError("a time that is none") from None


def _possible(seconds: int) -> int:
    if not 0 <= seconds <= _LATEST_S:
        raise LeaseFormatError("a time that lies before 1970 or after 9999")
    return seconds
