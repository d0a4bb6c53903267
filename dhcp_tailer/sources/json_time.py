"""Times in JSON: ISO 8601, or seconds since the epoch."""

from datetime import UTC, datetime

from bringup.errors import LeaseFormatError

_SHORTEST = len("20261123T0941")  # a date alone would give all leases of a day one run


def parse_time(name: str, value: object) -> datetime:
    """The moment that the field ``name`` holds; without a zone it is UTC. Raises LeaseFormatError."""
    try:
        return _parsed(value)
    except (ValueError, OverflowError, OSError):
        raise LeaseFormatError(f"{name} is neither ISO 8601 nor seconds since the epoch") from None


def _parsed(value: object) -> datetime:
    if isinstance(value, str) and not _is_number(value):
        moment = datetime.fromisoformat(value if len(value) >= _SHORTEST else "")
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return datetime.fromtimestamp(float(value), UTC)
    raise ValueError


def _is_number(text: str) -> bool:
    return text.isascii() and text.replace(".", "", 1).isdigit()
