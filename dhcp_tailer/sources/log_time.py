"""The time of a log line. The traditional one has no year and no zone. Source: RFC 3164 s.4.1.2, RFC 3339 s.5.6."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo

from bringup.errors import LeaseFormatError

_MONTHS = (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec")
_LEAP_YEARS_APART = 8  # at most, as around 1900 and 2100
_AHEAD = timedelta(days=1)  # a server's clock may run before ours


def written(header: re.Match[bytes], *, now: Callable[[], datetime], zone: tzinfo | None) -> datetime:
    """When the line under ``header`` was written. Raises LeaseFormatError.

    Args:
        header: with the group ``rfc3339``, or with ``month``, ``day`` and ``clock``.
        now, zone: see `traditional`.
    """
    if header["rfc3339"]:
        return rfc3339(header["rfc3339"])
    return traditional(header["month"], header["day"], header["clock"], now=now(), zone=zone)


def traditional(month: bytes, day: bytes, clock: bytes, *, now: datetime, zone: tzinfo | None) -> datetime:
    """The latest such time that is not more than a day after ``now``: the same on every reading within a year.

    Args:
        month, day, clock: as in ``Nov 23 09:41:36``.
        zone: of the clock that wrote the line; None is the zone of this host.

    Raises:
        LeaseFormatError: there is no such time.
    """
    if month not in _MONTHS:
        raise LeaseFormatError("there is no such month")
    hour, minute, second = map(int, clock.split(b":"))
    for year in range(now.year + 1, now.year - _LEAP_YEARS_APART - 1, -1):
        try:
            local = datetime(year, _MONTHS.index(month) + 1, int(day), hour, minute, second, tzinfo=zone)
        except ValueError:
            continue  # 29 February
        moment = local.astimezone(UTC)
        if moment <= now + _AHEAD:
            return moment
    raise LeaseFormatError("there is no such time")


def rfc3339(text: bytes) -> datetime:
    """A time with year and zone. Raises LeaseFormatError."""
    try:
        return datetime.fromisoformat(text.decode("ascii")).astimezone(UTC)
    except (ValueError, OverflowError):
        raise LeaseFormatError("there is no such time") from None


def local(text: bytes, *, zone: tzinfo | None) -> datetime:
    """A time with year and without zone. Raises LeaseFormatError."""
    try:
        return datetime.fromisoformat(text.decode("ascii")).replace(tzinfo=zone).astimezone(UTC)
    except (ValueError, OverflowError):
        raise LeaseFormatError("there is no such time") from None
