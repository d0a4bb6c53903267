"""What a source of leases is: it reads records, and remembers what the next ones need."""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Any, Protocol

from pydantic import JsonValue, ValidationError

from bringup.errors import LeaseFormatError
from bringup.model import LeaseEvent
from bringup.text import printable
from dhcp_tailer.layout import Layout
from dhcp_tailer.outcome import Outcome

_LONGEST_TEXT = 1024  # characters of a `DeviceText`


@dataclass(frozen=True)
class Skip:
    """Why a record is no lease event."""

    reason: str
    outcome: Outcome = Outcome.NOT_A_LEASE

    @property
    def malformed(self) -> bool:
        """It should have been one."""
        return self.outcome is Outcome.MALFORMED


NOT_A_LEASE = Skip("not a lease")
KNOWN = Skip("says what is known already", Outcome.DUPLICATE)
NO_MAC = Skip("its client has no Ethernet address that we could know it by", Outcome.NO_MAC)


def malformed(reason: object) -> Skip:
    """A record that should have been a lease."""
    return Skip(str(reason), Outcome.MALFORMED)


class Source(Protocol):
    """One kind of record. Equal records after an equal memory give equal events, so that reading twice is harmless."""

    @property
    def name(self) -> str:
        """As in ``DHCP_SOURCE``."""

    @property
    def layout(self) -> Layout:
        """How its records lie in their file."""

    def parse(self, record: bytes) -> LeaseEvent | Skip:
        """What one record says, read after all records before it."""

    def memory(self) -> JsonValue:
        """All that later records depend on, to be kept with the position."""

    def restore(self, memory: JsonValue) -> None:
        """Take up a memory. Raises ValueError: it is not one of this source."""


def lease_event(**fields: Any) -> LeaseEvent:
    """A valid event. Raises LeaseFormatError, naming the fields that are wrong and never their content."""
    try:
        event = LeaseEvent(**{**fields, "ip": _address(fields["ip"])})
    except ValidationError as error:
        wrong = sorted({str(problem["loc"][0]) for problem in error.errors(include_input=False, include_url=False)})
        raise LeaseFormatError(f"{' and '.join(wrong)} cannot be read") from None
    if event.starts.timestamp() < 0:
        raise LeaseFormatError("starts lies before 1970")
    return event


def _address(ip: object) -> object:
    """Parsed here, once: the model would try it as each kind of address."""
    try:
        return (IPv6Address if ":" in ip else IPv4Address)(ip) if isinstance(ip, str) else ip
    except ValueError:
        return ip


def device_text(data: bytes) -> str | None:
    """Text that a device chose, escaped and cut to what an event holds; None if there is none."""
    return cut(data.decode("utf-8", "backslashreplace")) or None


def cut(text: str) -> str:
    """``text``, escaped and cut to what an event holds."""
    return printable(text)[:_LONGEST_TEXT]
