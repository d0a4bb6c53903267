"""``dnsmasq.leases``: a snapshot of all leases, rewritten in place. Source: ``lease_update_file``, dnsmasq src/lease.c.

A record is a change of it, as `dhcp_tailer.snapshots` reports it: ``1795427050 + line`` or ``1795427050 - line``, with
the second in which the file was written.
"""

import re
from dataclasses import dataclass

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, JsonValue

from bringup import errors, model
from dhcp_tailer.framing import LINES
from dhcp_tailer.sources.lease_fields import device_text, lease_event, mac_in, utc
from dhcp_tailer.sources.parser import NO_MAC, NOT_A_LEASE, Skip, malformed

# A change, as `dhcp_tailer.snapshots` writes it.
_CHANGE = re.compile(rb"(?P<at>\d{1,12}) (?P<sign>[+-]) (?P<line>.*)", re.DOTALL)
# "1795427050 02:00:00:00:00:02 10.88.0.141 bmc-r12u07 00:02:..."; for IPv6 an IAID in place of the MAC.
_LINE = re.compile(
    rb"(?P<ends>\d{1,12}) (?:(?P<mac>[0-9a-fA-F]{2}(?::[0-9a-fA-F]{2}){5})|(?P<other>\S{1,80})) "
    rb"(?P<ip>[0-9a-fA-F.:]{2,45}) (?P<name>\S+) (?P<id>\S+)"
)
_INFINITE = 0  # a lease without an end


@dataclass(frozen=True)
class _Reported:
    line: str
    mac: str | None = None
    starts: int = 0
    ends: int | None = None


_Row = tuple[str, str, str | None, int, int | None]  # the key, and the fields of what was reported


class _State(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reported: list[_Row] = Field(validation_alias=AliasChoices("reported", "told"))  # "told" in version 1


class _Changes(BaseModel):
    model_config = ConfigDict(extra="forbid")

    gone: list[str]
    reported: list[_Row]


class DnsmasqLeases:
    """Reads a line that appears as a lease, and one that vanishes as its end.

    The file has the end of a lease and not its start. So the end names the lease: it is the same for every reader. A
    lease without an end is named by the second in which the file first held it.
    """

    name = "dnsmasq-leases"
    layout = LINES

    def __init__(self) -> None:
        self._reported: dict[str, _Reported] = {}  # by address; a line without one by itself
        self._changed: set[str] = set()

    @property
    def reported(self) -> set[bytes]:
        """The lines that were read and are still there."""
        return {reported.line.encode("utf-8", "surrogateescape") for reported in self._reported.values()}

    def parse(self, record: bytes) -> model.LeaseEvent | Skip:
        """The event in one change."""
        change = _CHANGE.fullmatch(record)
        if change is None:
            return malformed("not a change of a snapshot")
        at, text = int(change["at"]), change["line"].decode("utf-8", "surrogateescape")
        line = _LINE.fullmatch(change["line"])
        if change["sign"] == b"-":
            return self._vanished(at, text)
        if line is None:
            self._keep(text, _Reported(text))
            return NOT_A_LEASE if text.startswith("duid ") or not text.strip() else malformed("not a lease of dnsmasq")
        try:
            return self._appeared(at, text, line)
        except errors.LeaseFormatError as error:
            self._keep(text, _Reported(text))  # by its text: it has no address that can be trusted
            return malformed(error)

    def state(self) -> JsonValue:
        """The lines that were reported."""
        return {"reported": [_row(key, reported) for key, reported in self._reported.items()]}

    def restore(self, state: JsonValue) -> None:
        """Go on with a state. Raises ValueError."""
        kept = _State.model_validate(state).reported
        self._reported = {row[0]: _Reported(*row[1:]) for row in kept}

    def changes(self) -> JsonValue:
        """The lines that are gone or were reported since."""
        gone = [key for key in self._changed if key not in self._reported]
        rows = [_row(key, self._reported[key]) for key in self._changed if key in self._reported]
        self._changed.clear()
        return {"gone": [*gone], "reported": [*rows]}

    def apply(self, changes: JsonValue) -> None:
        """Go on with changes. Raises ValueError."""
        made = _Changes.model_validate(changes)
        for key in made.gone:
            self._reported.pop(key, None)
        self._reported |= {row[0]: _Reported(*row[1:]) for row in made.reported}

    def _keep(self, key: str, reported: _Reported) -> None:
        self._reported[key] = reported
        self._changed.add(key)

    def _appeared(self, at: int, text: str, line: re.Match[bytes]) -> model.LeaseEvent | Skip:
        ip, mac = line["ip"].decode("ascii"), _mac(line)
        ends = int(line["ends"])
        lease = _Reported(text, mac, at if ends == _INFINITE else ends, None if ends == _INFINITE else ends)
        if mac is None:
            self._keep(ip, lease)
            return NO_MAC
        event = lease_event(
            mac=mac,
            ip=ip,
            action=_action(self._reported.get(ip), lease, at),
            starts=utc(lease.starts),
            ends=None if lease.ends is None else utc(lease.ends),
            hostname=None if line["name"] == b"*" else device_text(line["name"]),
            client_id=None if line["id"] == b"*" else device_text(line["id"]),
            source=self.name,
        )
        self._keep(ip, lease)  # known once it is checked: what cannot be read must not be an event when it is gone
        return event

    def _vanished(self, at: int, text: str) -> model.LeaseEvent | Skip:
        line = _LINE.fullmatch(text.encode("utf-8", "surrogateescape"))
        keys = [text, *([line["ip"].decode("ascii")] if line else [])]
        key = next((key for key in keys if key in self._reported and self._reported[key].line == text), None)
        if key is None:
            return NOT_A_LEASE
        known = self._reported.pop(key)
        self._changed.add(key)
        if known.mac is None:
            return NOT_A_LEASE
        try:
            return self._ended(at, key, known)
        except errors.LeaseFormatError as error:
            return malformed(error)  # a checkpoint of version 2.0 may hold what cannot be read

    def _ended(self, at: int, ip: str, known: _Reported) -> model.LeaseEvent:
        expired = known.ends is not None and known.ends <= at
        return lease_event(
            mac=known.mac,
            ip=ip,
            action=model.LeaseAction.EXPIRED if expired else model.LeaseAction.RELEASED,
            starts=utc(known.starts),
            source=self.name,
        )


def _row(key: str, reported: _Reported) -> JsonValue:
    return [key, reported.line, reported.mac, reported.starts, reported.ends]


def _action(known: _Reported | None, lease: _Reported, at: int) -> model.LeaseAction:
    """A line that changed before its lease ended is that lease, renewed."""
    same = known is not None and known.mac == lease.mac and (known.ends is None or at <= known.ends)
    return model.LeaseAction.RENEWED if same else model.LeaseAction.ASSIGNED


def _mac(line: re.Match[bytes]) -> str | None:
    if line["mac"]:
        return str(line["mac"], "ascii").lower()
    return mac_in(str(line["id"], "ascii", "replace"))
