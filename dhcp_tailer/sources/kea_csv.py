"""Kea's memfile: ``kea-leases4.csv`` and ``kea-leases6.csv``. Source: Kea ARM, s. 8.2.2; ``csv_lease_file4.h``."""

import re
from operator import itemgetter

from pydantic import BaseModel, ConfigDict, JsonValue

from bringup import errors, model
from dhcp_tailer.framing import KEA
from dhcp_tailer.sources import lease_fields, lease_history
from dhcp_tailer.sources.parser import NO_MAC, NOT_A_LEASE, LeaseFileParser, Skip, malformed

# Columns without which no lease can be read; Kea adds others with its versions.
_NEEDED = frozenset({"address", "valid_lifetime", "expire", "state"})
# The fields that are read, as `KeaCsv._row` takes them.
_READ = (
    *("lease_type", "valid_lifetime", "expire", "state", "address"),
    *("hwaddr", "duid", "hostname", "client_id", "user_context"),
)
_ESCAPED = re.compile(r"&#x([0-9a-fA-F]{2})")  # ``CSVRow::escapeCharacters``: a comma is "&#x2c"
_INFINITE_S = 0xFFFFFFFF  # option 51, RFC 2131 s.3.3
_DEFAULT, _DECLINED, _RECLAIMED, _RELEASED = "0", "1", "2", "3"  # ``Lease::STATE_...``; 4: registered, no lease
_PREFIX = "2"  # ``Lease::TYPE_PD``: a prefix is no machine's address
# In the user_context: option 82, as Kea keeps it with store-extended-info.
_RELAY = re.compile(r'"(?:sub-options|relay-agent-info)": "0x([0-9A-Fa-f]+)"')


class _State(BaseModel):
    model_config = ConfigDict(extra="forbid")

    columns: list[str]
    leases: list[lease_history.LeaseRow]


class _Changes(BaseModel):
    model_config = ConfigDict(extra="forbid")

    columns: list[str]
    leases: lease_history.Changes[lease_history.LeaseRow]


class KeaCsv(LeaseFileParser):
    """Reads each row as the state of one lease; columns by their names in the header."""

    name = "kea-csv"
    layout = KEA

    def __init__(self) -> None:
        super().__init__()
        self._set_columns([])

    def parse(self, record: bytes) -> model.LeaseEvent | Skip:
        """The event in one row."""
        fields = record.decode("utf-8", "backslashreplace").rstrip("\r").split(",")
        if fields[0] == "address":
            return self._header(fields)
        if fields == [""]:
            return NOT_A_LEASE
        if len(fields) != len(self._columns):
            return malformed("not as many fields as its header has" if self._columns else "a row without a header")
        fields.append("")
        try:
            return self._row(self._pick(fields))
        except (errors.LeaseFormatError, ValueError, OverflowError, OSError) as error:
            return malformed(
                error if isinstance(error, errors.LeaseFormatError) else "a field that should be a number is none"
            )

    def state(self) -> JsonValue:
        """The header, and the leases in force."""
        return {"columns": list(self._columns), "leases": [list(row) for row in self._leases.rows()]}

    def restore(self, state: JsonValue) -> None:
        """Go on with a state. Raises ValueError."""
        kept = _State.model_validate(state)
        self._set_columns(kept.columns)
        self._leases = lease_history.Leases(kept.leases)

    def changes(self) -> JsonValue:
        """The header, and the leases that are new, changed or over since."""
        return {"columns": list(self._columns), "leases": self._changed_leases()}

    def apply(self, changes: JsonValue) -> None:
        """Go on with changes. Raises ValueError."""
        made = _Changes.model_validate(changes)
        self._set_columns(made.columns)
        self._leases.apply(made.leases)

    def _header(self, columns: list[str]) -> Skip:
        if missing := _NEEDED - set(columns):
            return malformed(f"a header without {' and '.join(sorted(missing))}")
        self._set_columns(columns)
        return NOT_A_LEASE

    def _set_columns(self, columns: list[str]) -> None:
        """Find the fields that are read; one that the header lacks is taken from behind the last, and so is empty."""
        self._columns = tuple(columns)
        at = {name: number for number, name in enumerate(columns)}
        self._pick = itemgetter(*(at.get(name, len(columns)) for name in _READ))

    def _row(self, fields: tuple[str, ...]) -> model.LeaseEvent | Skip:
        lease_type, lasts, expires, state, ip = fields[:5]
        if lease_type == _PREFIX:
            return Skip("a delegated prefix")
        lifetime, expire = int(lasts), int(expires)
        if state == _DEFAULT and lifetime:
            return self._given(ip, expire - lifetime, None if lifetime == _INFINITE_S else expire, fields[5:])
        if state == _DECLINED:  # its client found the address in use: it had a lease, and never used it
            self._leases.over(ip, None)
            return Skip("the end of a lease that was not known")
        # Deleted rows carry the time of the release, or of the last renewal: never later than the end.
        ended = {_RECLAIMED: model.LeaseAction.EXPIRED, _RELEASED: model.LeaseAction.RELEASED}.get(state)
        return self._over(ip, expire if lifetime == 0 else None, ended)

    def _given(self, ip: str, starts: int, ends: int | None, others: tuple[str, ...]) -> model.LeaseEvent | Skip:
        hwaddr, duid, hostname, client_id, user_context = others
        mac = hwaddr or lease_fields.mac_in(duid)
        if not mac:
            return NO_MAC
        return self._in_force(
            ip,
            lease_history.Lease(mac, starts, ends),
            hostname=_text(hostname),
            client_id=_text(client_id or duid),
            circuit_id=_circuit_id(user_context),
        )


def _text(field: str) -> str | None:
    return (lease_fields.cut(_unescaped(field) if "&" in field else field) or None) if field else None


def _unescaped(field: str) -> str:
    return _ESCAPED.sub(lambda match: chr(int(match[1], 16)), field) if "&#x" in field else field


def _circuit_id(context: str) -> str | None:
    found = _RELAY.search(_unescaped(context)) if context else None
    return lease_fields.circuit_id(bytes.fromhex(found[1])) if found and len(found[1]) % 2 == 0 else None
