"""Kea's memfile: ``kea-leases4.csv`` and ``kea-leases6.csv``. Source: Kea ARM, s. 8.2.2; ``csv_lease_file4.h``."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType

from pydantic import BaseModel, ConfigDict, JsonValue

from bringup.errors import LeaseFormatError
from bringup.model import LeaseAction, LeaseEvent
from dhcp_tailer.layout import KEA
from dhcp_tailer.sources import duid, leases, relay
from dhcp_tailer.sources.parser import KNOWN, NO_MAC, NOT_A_LEASE, Skip, cut, lease_event, malformed

_NEEDED = frozenset({"address", "valid_lifetime", "expire", "state"})
_ESCAPED = re.compile(r"&#x([0-9a-fA-F]{2})")  # ``CSVRow::escapeCharacters``: a comma is "&#x2c"
_INFINITE_S = 0xFFFFFFFF
_DEFAULT, _DECLINED, _RECLAIMED, _RELEASED = "0", "1", "2", "3"  # ``Lease::STATE_...``; 4: registered, no lease
_PREFIX = "2"  # ``Lease::TYPE_PD``: a prefix is no machine's address
_RELAY = re.compile(r'"(?:sub-options|relay-agent-info)": "0x([0-9A-Fa-f]+)"')


class _Memory(BaseModel):
    model_config = ConfigDict(extra="forbid")

    columns: list[str]
    leases: list[leases.Row]


class KeaCsv:
    """Reads each row as the state of one lease; columns by their names in the header."""

    name = "kea-csv"
    layout = KEA

    def __init__(self) -> None:
        self._columns: tuple[str, ...] = ()
        self._leases = leases.Leases()

    def parse(self, record: bytes) -> LeaseEvent | Skip:
        """The event in one row."""
        fields = record.decode("utf-8", "backslashreplace").rstrip("\r").split(",")
        if fields[0] == "address":
            return self._header(fields)
        if fields == [""]:
            return NOT_A_LEASE
        if len(fields) != len(self._columns):
            return malformed("not as many fields as its header has" if self._columns else "a row without a header")
        try:
            return self._row(dict(zip(self._columns, fields, strict=True)))
        except (LeaseFormatError, ValueError, OverflowError, OSError) as error:
            return malformed(
                error if isinstance(error, LeaseFormatError) else "a field that should be a number is none"
            )

    def memory(self) -> JsonValue:
        """The header, and the leases in force."""
        return {"columns": list(self._columns), "leases": [list(row) for row in self._leases.rows()]}

    def restore(self, memory: JsonValue) -> None:
        """Take up a memory. Raises ValueError."""
        kept = _Memory.model_validate(memory)
        self._columns = tuple(kept.columns)
        self._leases = leases.Leases(kept.leases)

    def _header(self, columns: list[str]) -> Skip:
        if missing := _NEEDED - set(columns):
            return malformed(f"a header without {' and '.join(sorted(missing))}")
        self._columns = tuple(columns)
        return NOT_A_LEASE

    def _row(self, row: Mapping[str, str]) -> LeaseEvent | Skip:
        if row.get("lease_type") == _PREFIX:
            return Skip("a delegated prefix")
        lifetime, expire, state = int(row["valid_lifetime"]), int(row["expire"]), row["state"]
        if state == _DEFAULT and lifetime:
            return self._in_force(row, expire - lifetime, None if lifetime == _INFINITE_S else expire)
        # Deleted rows carry the time of the release, or of the last renewal: never later than the end.
        return self._over(row["address"], state, expire if lifetime == 0 else None)

    def _in_force(self, row: Mapping[str, str], starts: int, ends: int | None) -> LeaseEvent | Skip:
        mac = row.get("hwaddr") or duid.mac_in(row.get("duid", ""))
        if not mac:
            return NO_MAC
        action = self._leases.in_force(row["address"], leases.Lease(mac, starts, ends))
        if action is None:
            return KNOWN
        return lease_event(
            mac=mac,
            ip=row["address"],
            action=action,
            starts=datetime.fromtimestamp(starts, UTC),
            ends=None if ends is None else datetime.fromtimestamp(ends, UTC),
            hostname=_text(row.get("hostname")),
            client_id=_text(row.get("client_id") or row.get("duid")),
            circuit_id=_circuit_id(row.get("user_context")),
            source=self.name,
        )

    def _over(self, ip: str, state: str, at: int | None) -> LeaseEvent | Skip:
        over = self._leases.over(ip, at)
        if over is None or state == _DECLINED:
            return Skip("the end of a lease that was not known")
        lease, action = over
        return lease_event(
            mac=lease.mac,
            ip=ip,
            action=_ENDED.get(state, action),
            starts=datetime.fromtimestamp(lease.starts, UTC),
            source=self.name,
        )


_ENDED: Mapping[str, LeaseAction] = MappingProxyType({_RECLAIMED: LeaseAction.EXPIRED, _RELEASED: LeaseAction.RELEASED})


def _text(field: str | None) -> str | None:
    return cut(_unescaped(field)) or None if field else None


def _unescaped(field: str) -> str:
    return _ESCAPED.sub(lambda match: chr(int(match[1], 16)), field) if "&#x" in field else field


def _circuit_id(context: str | None) -> str | None:
    found = _RELAY.search(_unescaped(context)) if context else None
    return relay.circuit_id(bytes.fromhex(found[1])) if found and len(found[1]) % 2 == 0 else None
