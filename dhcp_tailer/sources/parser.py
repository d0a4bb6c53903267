"""What a parser of leases is, and what those of logs and those of lease files share."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Protocol

from pydantic import BaseModel, ConfigDict, JsonValue

from bringup import errors, model
from dhcp_tailer.accounting import Outcome
from dhcp_tailer.framing import LINES, Layout, Record
from dhcp_tailer.sources.lease_fields import lease_event, utc
from dhcp_tailer.sources.lease_history import Changes, ClientRow, Clients, Lease, LeaseRow, Leases
from dhcp_tailer.sources.log_header import LogClock


@dataclass(frozen=True)
class Skip:
    """Why a record is no lease event."""

    reason: str
    outcome: Outcome = Outcome.NOT_A_LEASE

    @property
    def malformed(self) -> bool:
        """Whether it should have been one."""
        return self.outcome is Outcome.MALFORMED


NOT_A_LEASE = Skip("not a lease")
KNOWN = Skip("repeats what is known already", Outcome.DUPLICATE)
NO_MAC = Skip("its client has no Ethernet address that identifies it", Outcome.NO_MAC)


def malformed(reason: object) -> Skip:
    """A record that should have been a lease."""
    return Skip(str(reason), Outcome.MALFORMED)


class Parser(Protocol):
    """Reads one kind of record. Equal records after an equal state give equal events: reading twice is harmless."""

    @property
    def name(self) -> str:
        """As in ``DHCP_SOURCE``."""

    @property
    def layout(self) -> Layout:
        """How its records lie in their file."""

    def parse(self, record: bytes) -> model.LeaseEvent | Skip:
        """The event in one record, read after all records before it."""

    def state(self) -> JsonValue:
        """All that later records depend on, to be kept with the position."""

    def restore(self, state: JsonValue) -> None:
        """Go on with a state.

        Raises:
            ValueError: it is not one of this parser.
        """

    def changes(self) -> JsonValue:
        """What has changed in the state since the last call, or since the start."""

    def apply(self, changes: JsonValue) -> None:
        """Go on with changes, from the state that they were made in.

        Raises:
            ValueError: they are none of this parser.
        """


def parse_record(parser: Parser, record: Record) -> model.LeaseEvent | Skip:
    """The event in ``record``; a damaged one is never given to the parser."""
    return malformed(record.damage) if record.damage else parser.parse(record.data)


class LogState(BaseModel):
    """What the parser of a log must know to read on."""

    model_config = ConfigDict(extra="forbid")

    clients: list[ClientRow]
    clock: tuple[datetime | None, bool] = (None, False)  # the last local time, and whether its hour came twice


class LogChanges(BaseModel):
    """What has changed in it."""

    model_config = ConfigDict(extra="forbid")

    clients: Changes[ClientRow]
    clock: tuple[datetime | None, bool]


class LogParser:
    """What the parsers of logs share: lines, the clock that they are read by, and the clients as their state.

    Args:
        now: the clock that a missing year is taken from.
        zone: of the clock that writes the log; None is the zone of this host.
    """

    layout = LINES

    def __init__(self, now: Callable[[], datetime] = model.utc_now, zone: tzinfo | None = None) -> None:
        self._now = now
        self._zone = zone
        self._clock = LogClock(now, zone)
        self._clients = Clients()

    def state(self) -> dict[str, JsonValue]:
        """The clients, and the time of the last line."""
        return {"clients": [[mac, list(known)] for mac, known in self._clients.rows()], "clock": list(self._clock.kept)}

    def restore(self, state: JsonValue) -> None:
        """Go on with a state. Raises ValueError."""
        self._resume(LogState.model_validate(state))

    def changes(self) -> dict[str, JsonValue]:
        """The clients that had a message since, and the time of the last line."""
        gone, rows = self._clients.changes()
        return {"clients": [[*gone], [[mac, list(known)] for mac, known in rows]], "clock": list(self._clock.kept)}

    def apply(self, changes: JsonValue) -> None:
        """Go on with changes. Raises ValueError."""
        self._resume_with(LogChanges.model_validate(changes))

    def _resume(self, kept: LogState) -> None:
        self._clients = Clients(kept.clients)
        self._set_clock(kept.clock)

    def _resume_with(self, changes: LogChanges) -> None:
        self._clients.apply(changes.clients)
        self._set_clock(changes.clock)

    def _set_clock(self, kept: tuple[datetime | None, bool]) -> None:
        last, second = kept
        self._clock = LogClock(self._now, self._zone, last, second=second)

    def _time(self, found: re.Match[bytes]) -> datetime:
        return self._clock.time(found)

    def _pass(self, found: re.Match[bytes]) -> None:
        """Note the time of a line that is no lease: the clock follows every line that has one."""
        try:
            self._time(found)
        except errors.LeaseFormatError:
            return  # the line is of no use for it


class _LeaseFileState(BaseModel):
    model_config = ConfigDict(extra="forbid")

    leases: list[LeaseRow]


class _LeaseFileChanges(BaseModel):
    model_config = ConfigDict(extra="forbid")

    leases: Changes[LeaseRow]


class LeaseFileParser:
    """What the parsers of lease files share: each record is the state of one lease, and the leases are their state."""

    name: str

    def __init__(self) -> None:
        self._leases = Leases()

    def state(self) -> JsonValue:
        """The leases in force."""
        return {"leases": [list(row) for row in self._leases.rows()]}

    def restore(self, state: JsonValue) -> None:
        """Go on with a state. Raises ValueError."""
        self._leases = Leases(_LeaseFileState.model_validate(state).leases)

    def changes(self) -> JsonValue:
        """The leases that are new, changed or over since."""
        return {"leases": self._changed_leases()}

    def apply(self, changes: JsonValue) -> None:
        """Go on with changes. Raises ValueError."""
        self._leases.apply(_LeaseFileChanges.model_validate(changes).leases)

    def _changed_leases(self) -> JsonValue:
        gone, rows = self._leases.changes()
        return [[*gone], [list(row) for row in rows]]

    def _in_force(
        self,
        ip: str,
        lease: Lease,
        *,
        hostname: str | None,
        client_id: str | None,
        circuit_id: str | None,
        vendor_class: str | None = None,
    ) -> model.LeaseEvent | Skip:
        """``lease`` is in force; the texts are as `lease_event` takes them."""
        action = self._leases.in_force(ip, lease)
        if action is None:
            return KNOWN
        return lease_event(
            mac=lease.mac,
            ip=ip,
            action=action,
            starts=utc(lease.starts),
            ends=None if lease.ends is None else utc(lease.ends),
            hostname=hostname,
            vendor_class=vendor_class,
            client_id=client_id,
            circuit_id=circuit_id,
            source=self.name,
        )

    def _over(self, ip: str, at: int | None, ended: model.LeaseAction | None) -> model.LeaseEvent | Skip:
        """The lease of ``ip`` is over.

        Args:
            at: since when, seconds since the epoch; None: unknown.
            ended: how it ended; None: an end before its time is a release.
        """
        over = self._leases.over(ip, at)
        if over is None:
            return Skip("the end of a lease that was not known")
        lease, action = over
        return lease_event(mac=lease.mac, ip=ip, action=ended or action, starts=utc(lease.starts), source=self.name)
