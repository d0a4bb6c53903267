r"""ISC dhcpd's lease files, ``dhcpd.leases`` and ``dhcpd6.leases``. Source: dhcpd.leases(5).

They hold declarations: statements of words, some with a body in braces.
"""

import calendar
import re
from dataclasses import dataclass, field

from bringup.errors import LeaseFormatError
from bringup.model import LeaseAction, LeaseEvent
from dhcp_tailer.framing import BLOCKS
from dhcp_tailer.sources import lease_fields, lease_history, parser

# A binding state, dhcpd.leases(5): in every other one the lease is over.
_ACTIVE = b"active"
_ENDED = frozenset({b"released", b"expired"})  # "free" follows both: then an end before its time is a release
# Of a time as db-time-format default writes it: "1 2026/11/23 09:47:33".
_DATE = re.compile(rb"(\d{4})/(\d\d?)/(\d\d?)")
_CLOCK = re.compile(rb"(\d\d?):(\d\d):(\d\d)")
_VENDOR_CLASS = (b"vendor-class-identifier", b"vendor-class")  # as the configuration of docs/dhcp.md names it
# Seconds since the epoch: the last second of the year 9999, behind which Python has no dates.
_LATEST_S = 253402300799
# A string never holds a bare quote; a comment runs to the end of its line ("epoch 1795427253; # Mon Nov 23 ...").
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|#[^\n]*|[{};]|[^\s{};"#]+', re.DOTALL)
# What is not printable is written as three octal digits, quote and backslash behind a backslash.
_ESCAPE = re.compile(rb"\\([0-7]{1,3}|.)", re.DOTALL)
_ENDINGS = frozenset({b"{", b"}", b";"})


@dataclass
class _Statement:
    """``words ;`` or ``words { body }``."""

    words: list[bytes]
    body: "list[_Statement]" = field(default_factory=list)


def _statements(text: bytes) -> list[_Statement]:
    """The statements of ``text`` in their order.

    Raises:
        LeaseFormatError: its braces do not match.
    """
    stack: list[list[_Statement]] = [[]]
    words: list[bytes] = []
    for token in _TOKEN.findall(text):
        if token not in _ENDINGS:
            words += [] if token.startswith(b"#") else [token]
            continue
        if words or token == b"{":
            stack[-1].append(_Statement(words))
            words = []
        _nest(stack, token)
    if len(stack) > 1:
        raise LeaseFormatError("a brace that is never closed")
    return stack[0]


def _nest(stack: list[list[_Statement]], token: bytes) -> None:
    if token == b"{":
        stack.append(stack[-1][-1].body)
    elif token == b"}":
        stack.pop()
    if not stack:
        raise LeaseFormatError("a brace too many")


def _unquoted(word: bytes) -> bytes:
    r"""The bytes of a string; what is no octal escape of an octet (``\777``) stays as it is written."""
    return _ESCAPE.sub(_octet, word[1:-1]) if word.startswith(b'"') else word


def _octet(escape: re.Match[bytes]) -> bytes:
    if not escape[1].isdigit():
        return escape[1]
    if escape[1] in {b"8", b"9"} or int(escape[1], 8) > 0xFF:
        return escape[0]
    return bytes([int(escape[1], 8)])


@dataclass
class _Declaration:
    """One address and the state it is in."""

    ip: str
    state: bytes | None = None  # None: of dhcpd 2 or OpenBSD, and in force as long as it lasts
    abandoned: bool = False  # of those two: the address is in use by another
    mac: str | None = None
    starts: int | None = None  # seconds since the epoch
    never_starts: bool = False
    ends: int | None = None  # the same; None: never, or unknown
    cltt: int | None = None  # the last transaction of the client; a server renews ``starts`` with it
    hostname: str | None = None
    vendor_class: str | None = None
    client_id: str | None = None
    circuit_id: str | None = None


def _read(record: bytes) -> _Declaration:
    """The declaration in ``record``.

    Raises:
        LeaseFormatError: it is not one, or a time in it is none.
    """
    text = _statements(record)
    if len(text) != 1 or len(text[0].words) != 2:
        raise LeaseFormatError("not one declaration with one name")
    (kind, name), body = text[0].words, text[0].body
    if kind == b"lease":
        declaration = _Declaration(name.decode("ascii", "replace"))
        _note(declaration, body)
        return declaration
    return _read_v6(_unquoted(name), body)


def _read_v6(iaid_and_duid: bytes, body: list[_Statement]) -> _Declaration:
    """An identity association holds addresses; several, of which one is active, after a renumbering."""
    addresses = [_address(statement) for statement in body if statement.words[:1] == [b"iaaddr"]]
    if not addresses:
        raise LeaseFormatError("an identity association without an address")
    declaration = next((address for address in addresses if address.state == _ACTIVE), addresses[0])
    client = iaid_and_duid[4:]  # behind the IAID, RFC 8415 s.21.4
    declaration.mac, declaration.client_id = lease_fields.mac_of(client), client.hex(":") or None
    declaration.starts = next((_time(s.words[1:]) for s in body if s.words[0] == b"cltt"), None)
    return declaration


def _address(statement: _Statement) -> _Declaration:
    declaration = _Declaration(statement.words[-1].decode("ascii", "replace"))
    _note(declaration, statement.body)
    return declaration


def _note(declaration: _Declaration, body: list[_Statement]) -> None:
    for statement in body:
        match statement.words:
            case [(b"starts" | b"ends" | b"cltt") as name, *when]:
                _note_time(declaration, name, _time(when))
            case [b"abandoned"]:
                declaration.abandoned = True
            case [b"binding", b"state", state]:  # not "next binding state", nor "rewind binding state"
                declaration.state = state
            case [b"hardware", b"ethernet", mac]:
                declaration.mac = mac.decode("ascii", "replace").lower()
            case words:
                _note_text(declaration, words)


def _note_time(declaration: _Declaration, name: bytes, at: int | None) -> None:
    if name == b"starts":
        declaration.starts, declaration.never_starts = at, at is None
    elif name == b"ends":
        declaration.ends = at
    else:
        declaration.cltt = at


def _note_text(declaration: _Declaration, words: list[bytes]) -> None:
    """What the client, or the relay before it, chose."""
    match words:
        case [b"client-hostname", name]:
            declaration.hostname = lease_fields.device_text(_unquoted(name))
        case [b"uid", uid]:
            declaration.client_id = _unquoted(uid).hex(":") if uid.startswith(b'"') else lease_fields.device_text(uid)
        case [b"option", b"agent.circuit-id", circuit]:
            declaration.circuit_id = lease_fields.device_text(_unquoted(circuit))
        case [b"set", name, b"=", text] if name in _VENDOR_CLASS:
            declaration.vendor_class = lease_fields.device_text(_unquoted(text))


def _time(words: list[bytes]) -> int | None:
    """``1 2026/11/23 09:47:33`` in UTC, ``epoch 1795427253``, or ``never``. Raises LeaseFormatError."""
    match words:
        case [b"never"]:
            return None
        case [b"epoch", seconds] if seconds.isdigit() and len(seconds) <= 12:
            return _possible(int(seconds))
        case [_, date, clock] | [_, date, clock, b"UTC"]:  # the latter by OpenBSD
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


class IscLeases(parser.LeaseFileParser):
    """Reads each declaration as the state of one lease; the last one counts, as the server reads it."""

    name = "isc-leases"
    layout = BLOCKS

    def parse(self, record: bytes) -> LeaseEvent | parser.Skip:
        """The event in one declaration."""
        if not record.startswith((b"lease ", b"ia-na ", b"ia-ta ")):
            return parser.NOT_A_LEASE
        try:
            return self._event(_read(record))
        except LeaseFormatError as error:
            return parser.malformed(error)

    def _event(self, declaration: _Declaration) -> LeaseEvent | parser.Skip:
        state = declaration.state
        if declaration.abandoned if state is None else state != _ACTIVE:
            ended = LeaseAction(state.decode("ascii")) if state and state in _ENDED else None
            return self._over(declaration.ip, declaration.ends, ended)
        if declaration.mac is None:
            return parser.NO_MAC
        return self._in_force(
            declaration.ip,
            lease_history.Lease(declaration.mac, self._starts(declaration), declaration.ends),
            hostname=declaration.hostname,
            vendor_class=declaration.vendor_class,
            client_id=declaration.client_id,
            circuit_id=declaration.circuit_id,
        )

    def _starts(self, declaration: _Declaration) -> int:
        """When the lease began, as far as the declaration has it: else its end names it, the same for every reader."""
        known = self._leases.get(declaration.ip)
        if declaration.never_starts:
            raise LeaseFormatError("a lease in force that never started")
        if declaration.starts is not None:
            return declaration.starts
        if declaration.cltt is not None:
            return declaration.cltt
        if declaration.ends is None:
            raise LeaseFormatError("a lease in force without starts, cltt or an end: no run can be named by it")
        return known.starts if known and known.mac == declaration.mac else declaration.ends
