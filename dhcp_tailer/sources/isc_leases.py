r"""ISC dhcpd's lease files, ``dhcpd.leases`` and ``dhcpd6.leases``. Source: dhcpd.leases(5).

They hold declarations: statements of words, some with a body in braces.
"""

import calendar
import functools
import re
from dataclasses import dataclass

from bringup import errors, model
from dhcp_tailer.framing import BLOCKS
from dhcp_tailer.sources import isc_syntax, lease_fields, lease_history, parser
from dhcp_tailer.sources.isc_syntax import Statement, unquoted
from dhcp_tailer.sources.lease_fields import device_text

# A binding state, dhcpd.leases(5): in every other one the lease is over.
_ACTIVE = b"active"
_ENDED = frozenset({b"released", b"expired"})  # "free" follows both: then an end before its time is a release
# Of a time as db-time-format default writes it: "1 2026/11/23 09:47:33".
_DATE = re.compile(rb"(\d{4})/(\d\d?)/(\d\d?)")
_CLOCK = re.compile(rb"(\d\d?):(\d\d):(\d\d)")
_VENDOR_CLASS = (b"vendor-class-identifier", b"vendor-class")  # as the configuration of docs/dhcp.md names it
# Seconds since the epoch: the last second of the year 9999, behind which Python has no dates.
_LATEST_S = 253402300799


@dataclass(slots=True)
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
    if found := isc_syntax.plain(record):
        return _plain(found.groups())
    text = isc_syntax.statements(record)
    if len(text) != 1 or len(text[0].words) != 2:
        raise errors.LeaseFormatError("not one declaration with one name")
    (kind, name), body = text[0].words, text[0].body
    if kind == b"lease":
        declaration = _Declaration(name.decode("ascii", "replace"))
        _note(declaration, body)
        return declaration
    return _read_v6(unquoted(name), body)


def _plain(groups: tuple[bytes | None, ...]) -> _Declaration:
    """The declaration in the groups of `isc_syntax.plain`. Raises LeaseFormatError."""
    ip, starts, ends, cltt, state, mac, uid, vendor_class, circuit_id, hostname = groups
    began_at = None if starts is None else _moment(starts)
    return _Declaration(
        str(ip or b"", "ascii"),
        state,
        mac=None if mac is None else mac.decode("ascii").lower(),
        starts=began_at,
        never_starts=starts is not None and began_at is None,
        ends=None if ends is None else _moment(ends),
        cltt=None if cltt is None else _moment(cltt),
        hostname=None if hostname is None else device_text(unquoted(hostname)),
        vendor_class=None if vendor_class is None else device_text(unquoted(vendor_class)),
        client_id=None if uid is None else unquoted(uid).hex(":"),
        circuit_id=None if circuit_id is None else device_text(unquoted(circuit_id)),
    )


def _read_v6(iaid_and_duid: bytes, body: list[Statement]) -> _Declaration:
    """An identity association holds addresses; several, of which one is active, after a renumbering."""
    addresses = [_address(statement) for statement in body if statement.words[:1] == [b"iaaddr"]]
    if not addresses:
        raise errors.LeaseFormatError("an identity association without an address")
    declaration = next((address for address in addresses if address.state == _ACTIVE), addresses[0])
    client = iaid_and_duid[4:]  # behind the IAID, RFC 8415 s.21.4
    declaration.mac, declaration.client_id = lease_fields.mac_of(client), client.hex(":") or None
    declaration.starts = next((_time(s.words[1:]) for s in body if s.words[:1] == [b"cltt"]), None)
    return declaration


def _address(statement: Statement) -> _Declaration:
    declaration = _Declaration(statement.words[-1].decode("ascii", "replace"))
    _note(declaration, statement.body)
    return declaration


def _note(declaration: _Declaration, body: list[Statement]) -> None:
    for statement in body:
        words = statement.words
        match words[0] if words else b"":
            case (b"starts" | b"ends" | b"cltt") as name:
                _note_time(declaration, name, _time(words[1:]))
            case b"binding" if (
                words[1:2] == [b"state"] and len(words) == 3
            ):  # not "next binding state", nor "rewind ..."
                declaration.state = words[2]
            case b"hardware" if words[1:2] == [b"ethernet"] and len(words) == 3:
                declaration.mac = words[2].decode("ascii", "replace").lower()
            case b"abandoned" if len(words) == 1:
                declaration.abandoned = True
            case b"client-hostname" | b"uid" | b"option" | b"set":
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
            declaration.hostname = device_text(unquoted(name))
        case [b"uid", uid]:
            declaration.client_id = unquoted(uid).hex(":") if uid.startswith(b'"') else device_text(uid)
        case [b"option", b"agent.circuit-id", circuit]:
            declaration.circuit_id = device_text(unquoted(circuit))
        case [b"set", name, b"=", text] if name in _VENDOR_CLASS:
            declaration.vendor_class = device_text(unquoted(text))


@functools.lru_cache(maxsize=256)  # a lease has the same time twice, and the leases of a burst too
def _moment(text: bytes) -> int | None:
    return _time(text.split())


def _time(words: list[bytes]) -> int | None:
    """``1 2026/11/23 09:47:33`` in UTC, ``epoch 1795427253``, or ``never``. Raises LeaseFormatError."""
    match words:
        case [b"never"]:
            return None
        case [b"epoch", seconds] if seconds.isdigit() and len(seconds) <= 12:
            return _possible(int(seconds))
        case [_, date, clock] | [_, date, clock, b"UTC"]:  # the latter by OpenBSD
            return _calendar(date, clock)
    raise errors.LeaseFormatError("a time that is none")


def _calendar(date: bytes, clock: bytes) -> int:
    time = _CLOCK.fullmatch(clock)
    if time is None:
        raise errors.LeaseFormatError("a time that is none")
    hour, minute, second = map(int, time.groups())
    return _possible(_midnight(date) + 3600 * hour + 60 * minute + second)


@functools.lru_cache(maxsize=64)  # the leases of a day lie beside each other in the file
def _midnight(date: bytes) -> int:
    day = _DATE.fullmatch(date)
    if day is None:
        raise errors.LeaseFormatError("a time that is none")
    try:
        return calendar.timegm((*map(int, day.groups()), 0, 0, 0))
    except ValueError:
        raise errors.LeaseFormatError("a time that is none") from None


def _possible(seconds: int) -> int:
    if not 0 <= seconds <= _LATEST_S:
        raise errors.LeaseFormatError("a time that lies before 1970 or after 9999")
    return seconds


class IscLeases(parser.LeaseFileParser):
    """Reads each declaration as the state of one lease; the last one counts, as the server reads it."""

    name = "isc-leases"
    layout = BLOCKS

    def parse(self, record: bytes) -> model.LeaseEvent | parser.Skip:
        """The event in one declaration."""
        if not record.startswith((b"lease ", b"ia-na ", b"ia-ta ")):
            return parser.NOT_A_LEASE
        try:
            return self._event(_read(record))
        except errors.LeaseFormatError as error:
            return parser.malformed(error)

    def _event(self, declaration: _Declaration) -> model.LeaseEvent | parser.Skip:
        state = declaration.state
        if declaration.abandoned if state is None else state != _ACTIVE:
            ended = model.LeaseAction(state.decode("ascii")) if state and state in _ENDED else None
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
            raise errors.LeaseFormatError("a lease in force that never started")
        if declaration.starts is not None:
            return declaration.starts
        if declaration.cltt is not None:
            return declaration.cltt
        if declaration.ends is None:
            raise errors.LeaseFormatError("a lease in force without starts, cltt or an end: no run can be named by it")
        return known.starts if known and known.mac == declaration.mac else declaration.ends
