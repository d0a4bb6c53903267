"""The fields of a lease event, made from what a DHCP server wrote: device text, MAC in a DUID, relay circuit, times."""

import functools
import re
import socket
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from pydantic import ValidationError

from bringup import errors, model
from bringup.text import printable

# Characters of a text that a device chose: what `bringup.model.DeviceText` takes. A longer one is cut, not refused,
# for a client must not be able to hide its lease behind a long name.
_LONGEST_TEXT = 1024
# A MAC address as the model holds it.
_MAC = re.compile(r"[0-9a-f]{2}(?::[0-9a-f]{2}){5}", re.ASCII)
_ADDRESSES = (IPv4Address, IPv6Address)
_EPOCH = datetime.fromtimestamp(0, UTC)
# Of `_made`: events are frozen and share the names of their fields; a copy of an event has names of its own.
_ALL_FIELDS = set(model.LeaseEvent.model_fields)
_set = object.__setattr__
_ETHERNET = (1).to_bytes(2)  # hardware type, IANA ARP parameters
_ADDRESS_AT = {(1).to_bytes(2): 8, (3).to_bytes(2): 4}  # DUID-LLT: behind the time; DUID-LL. Source: RFC 8415 s.11

# Characters of an ISO 8601 time in JSON: a date alone would give all leases of a day one run.
_SHORTEST = len("20261123T0941")


def lease_event(
    *,
    mac: Any,
    ip: Any,
    action: model.LeaseAction | None,
    starts: datetime,
    source: str,
    ends: datetime | None = None,
    hostname: str | None = None,
    vendor_class: str | None = None,
    client_id: str | None = None,
    circuit_id: str | None = None,
) -> model.LeaseEvent:
    """A valid event.

    Args:
        mac: of the client, in any notation.
        ip: that was leased.
        action: what happened to the lease.
        starts: with a zone.
        source: DHCP_SOURCE.
        ends: with a zone; None: never, or not known.
        hostname: this and the other texts are as `device_text` makes them.
        vendor_class: option 60.
        client_id: option 61.
        circuit_id: option 82.1.

    Raises:
        LeaseFormatError: names the fields that are wrong, and never their content.
    """
    address = _address(ip)
    fields = {
        "mac": mac,
        "ip": address,
        "action": action,
        "starts": starts,
        "ends": ends,
        "hostname": hostname,
        "vendor_class": vendor_class,
        "client_id": client_id,
        "circuit_id": circuit_id,
        "source": source,
    }
    texts = (hostname or "") + (vendor_class or "") + (client_id or "") + (circuit_id or "")
    as_made = isinstance(address, _ADDRESSES) and isinstance(mac, str) and _MAC.fullmatch(mac) and action
    if as_made and starts >= _EPOCH and len(texts) <= _LONGEST_TEXT and texts.isprintable():
        return _made(fields)
    return _checked(fields)


def _made(fields: dict[str, Any]) -> model.LeaseEvent:
    """An event of fields that are as the model would make them, as nearly all: to check them again takes four times as
    long.

    This is what `pydantic.BaseModel.model_construct` does with all fields given, without looking for each.
    """
    event = model.LeaseEvent.__new__(model.LeaseEvent)
    _set(event, "__dict__", fields)
    _set(event, "__pydantic_fields_set__", _ALL_FIELDS)
    _set(event, "__pydantic_extra__", None)
    _set(event, "__pydantic_private__", None)
    return event


def _checked(fields: dict[str, Any]) -> model.LeaseEvent:
    try:
        event = model.LeaseEvent(**fields)
    except ValidationError as error:
        wrong = sorted({str(problem["loc"][0]) for problem in error.errors(include_input=False, include_url=False)})
        raise errors.LeaseFormatError(f"{' and '.join(wrong)} cannot be read") from None
    if event.starts < _EPOCH:
        raise errors.LeaseFormatError("starts lies before 1970")
    return event


def _address(ip: object) -> object:
    """Parsed here, once, and by the C library: the model would try it as each kind of address."""
    if not isinstance(ip, str):
        return ip
    try:
        return IPv6Address(ip) if ":" in ip else IPv4Address(socket.inet_pton(socket.AF_INET, ip))
    except (ValueError, OSError):
        return ip


def device_text(data: bytes) -> str | None:
    """Text that a device chose, escaped and cut to what an event holds; None if there is none."""
    return cut(data.decode("utf-8", "backslashreplace")) or None


def cut(text: str) -> str:
    """``text``, escaped and cut to what an event holds."""
    return text if len(text) <= _LONGEST_TEXT and text.isprintable() else printable(text)[:_LONGEST_TEXT]


def mac_in(text: str) -> str | None:
    """The Ethernet address in a DUID that is written as octets in hexadecimal with colons; None without one."""
    try:
        return mac_of(octets(text))
    except ValueError:
        return None


def mac_of(duid: bytes) -> str | None:
    """The Ethernet address in a DUID, with colons; None for a DUID-EN, a DUID-UUID, or other hardware."""
    address = duid[_ADDRESS_AT.get(duid[:2], len(duid)) :]
    if duid[2:4] != _ETHERNET or len(address) != 6:
        return None
    return address.hex(":")


def client_of(mac: str, ip: str) -> str:
    """The key of a log's client: a machine with IPv4 and DHCPv6 has two leases, each with a history of its own."""
    return f"{mac} 6" if ":" in ip else mac


def octets(text: str) -> bytes:
    """``00:03:00:01:02`` as bytes; leading zeros of an octet may be missing. Raises ValueError."""
    return bytes(int(octet, 16) for octet in text.split(":")) if text else b""


def circuit_id(sub_options: bytes) -> str | None:
    """The port that a client is on, as its relay agent reports it: sub-option 1 among type, length, value.

    Source: RFC 3046 s.3.1.
    """
    while len(sub_options) >= 2:
        kind, length = sub_options[0], sub_options[1]
        if kind == 1:
            return device_text(sub_options[2 : 2 + length])
        sub_options = sub_options[2 + length :]
    return None


@functools.lru_cache(maxsize=256)  # the leases of a burst have one start, and one end
def utc(seconds: int) -> datetime:
    """A time in seconds since the epoch. Raises LeaseFormatError."""
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        raise errors.LeaseFormatError("a time before the year 1 or after 9999") from None


def json_time(name: str, value: object) -> datetime:
    """The time in the JSON field ``name``: ISO 8601, without a zone UTC, or seconds since the epoch.

    Raises:
        LeaseFormatError: it is neither.
    """
    try:
        return _of_seconds(value) if type(value) is int else _parsed(value)  # as the hooks write it; no bool
    except (ValueError, OverflowError, OSError):
        raise errors.LeaseFormatError(f"{name} is neither ISO 8601 nor seconds since the epoch") from None


def _parsed(value: object) -> datetime:
    if isinstance(value, str) and not _is_number(value):
        moment = datetime.fromisoformat(value if len(value) >= _SHORTEST else "")
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return datetime.fromtimestamp(float(value), UTC)
    raise ValueError


@functools.lru_cache(maxsize=256)  # the leases of a burst have one time
def _of_seconds(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _is_number(text: str) -> bool:
    return text.isascii() and text.replace(".", "", 1).isdigit()
