"""One JSON object per line: what our hooks write, and what any other server can be made to write."""

import json
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from pydantic import JsonValue
from pydantic_core import from_json

from bringup import errors, model
from dhcp_tailer.framing import LINES
from dhcp_tailer.sources import lease_fields, parser

# As dnsmasq, ISC dhcpd, Kea and people spell them.
_ACTIONS = MappingProxyType(
    dict.fromkeys(("assigned", "lease_assigned", "add", "commit"), model.LeaseAction.ASSIGNED)
    | dict.fromkeys(("renewed", "lease_renewed", "old"), model.LeaseAction.RENEWED)
    | dict.fromkeys(("released", "lease_released", "release", "del"), model.LeaseAction.RELEASED)
    | dict.fromkeys(("expired", "lease_expired", "expiry"), model.LeaseAction.EXPIRED)
)
_INFINITE_S = 0xFFFFFFFF  # option 51, RFC 2131 s.3.3


class JsonLines:
    """Reads ``{"event_type": ..., "timestamp": ..., "data": {"ip": ..., "mac": ..., "hostname": ...}}``."""

    name = "jsonl"
    layout = LINES

    def parse(self, record: bytes) -> model.LeaseEvent | parser.Skip:
        """The event in one line."""
        if not record.strip():
            return parser.NOT_A_LEASE
        try:
            fields = _object(record)
            kind = fields.get("event_type")
            action = _ACTIONS.get(kind.lower()) if isinstance(kind, str) else None
            if action is None:
                return _other(fields)
            return self._event(action, fields)
        except errors.LeaseFormatError as error:
            return parser.malformed(error)

    def state(self) -> JsonValue:
        """Nothing: no line depends on another."""
        return None

    def restore(self, state: JsonValue) -> None:
        """Go on with a state. Raises ValueError."""
        if state is not None:
            raise ValueError("this source has no state")

    def changes(self) -> JsonValue:
        """Nothing."""
        return None

    def apply(self, changes: JsonValue) -> None:
        """Go on with changes. Raises ValueError."""
        self.restore(changes)

    def _event(self, action: model.LeaseAction, fields: dict[str, Any]) -> model.LeaseEvent | parser.Skip:
        data = fields.get("data")
        if not isinstance(data, dict):
            raise errors.LeaseFormatError("data is not an object")
        starts = lease_fields.json_time("timestamp", fields.get("timestamp"))
        mac, ip = data.get("mac"), data.get("ip")
        if not mac and isinstance(data.get("duid"), str):  # DHCPv6: that is all that the server knows
            mac = lease_fields.mac_in(data["duid"])
            if mac is None:
                return parser.NO_MAC
        return lease_fields.lease_event(
            mac=mac,
            ip=ip if isinstance(ip, str) else None,  # a number would pass as an address
            action=action,
            starts=starts,
            ends=_ends(starts, data),
            hostname=_text(data, "hostname"),
            vendor_class=_text(data, "vendor_class"),
            client_id=_text(data, "client_id"),
            circuit_id=_text(data, "circuit_id"),
            source=self.name,
        )


def _object(record: bytes) -> dict[str, Any]:
    try:
        value = from_json(record)  # three times as fast as Python's
    except ValueError:
        value = _by_python(record)
    if not isinstance(value, dict):
        raise errors.LeaseFormatError("is not a JSON object")
    return value


def _by_python(record: bytes) -> object:
    """What pydantic refuses: half a surrogate pair, with which a client must not hide its lease, or no JSON at all."""
    try:
        return json.loads(record.decode("utf-8"))
    except UnicodeDecodeError:
        raise errors.LeaseFormatError("is not UTF-8") from None
    except (ValueError, RecursionError):
        raise errors.LeaseFormatError("is not JSON") from None


def _other(fields: dict[str, Any]) -> parser.Skip:
    if not isinstance(fields.get("event_type"), str):
        raise errors.LeaseFormatError("event_type is missing or no text")
    return parser.Skip("event_type is not that of a lease")


def _ends(starts: datetime, data: dict[str, Any]) -> datetime | None:
    if data.get("ends") is not None:
        return lease_fields.json_time("ends", data["ends"])
    seconds = data.get("lease_time")
    if seconds is None or seconds == _INFINITE_S:
        return None
    if isinstance(seconds, bool) or not isinstance(seconds, int) or not 0 <= seconds < _INFINITE_S:
        raise errors.LeaseFormatError("lease_time is not a number of seconds")
    return starts + timedelta(seconds=seconds)


def _text(data: dict[str, Any], name: str) -> str | None:
    """A field that a client, or the relay before it, chose."""
    value = data.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise errors.LeaseFormatError(f"{name} is no text")
    return lease_fields.cut(value)
