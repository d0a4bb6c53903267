"""What precedes a message in a log: time, host and process, as servers, syslog, journald and containers write it.

Source: RFC 3164 s.4.1, RFC 5424 s.6, journalctl(1), OpenWrt's logread, the log format of CRI.
"""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta, tzinfo

from bringup.errors import LeaseFormatError

# Months as syslog writes them, and as journalctl does in other languages, without the dot of an abbreviation: the
# names of glibc, without those that mean different months in two languages ("lis" is October or November).
_MONTHS = tuple(
    frozenset(names.split())
    for names in (
        "jan jän led ene janv gen ian oca sty tammi jaan",
        "feb fev févr febr lut úno şub helmi veebr",
        "mar mär mars mrt márc bře maalis märts",
        "apr abr avril april kwi dub ápr nis huhti",
        "may mai mag mei maj máj kvě touko",
        "jun juin giu juni jún iun cze čen haz kesä juuni",
        "jul juil lug juli júl iul čec tem heinä juuli",
        "aug août ago sie ağu elo avg",
        "sep sept set wrz zář szept eyl syys",
        "oct okt ott out paź říj eki loka",
        "nov kas marras",
        "dec dez déc dic des gru pro ara joulu dets",
    )
)
# Years to go back for a 29 February: two leap years are at most so far apart, as around 1900 and 2100.
_LEAP_YEARS_APART = 8
# A line from the future is one of last year, unless the server's clock runs ahead of ours: by a day at most.
_AHEAD = timedelta(days=1)
# Clocks go back by half an hour or more at the end of summer time. Lines of several processes may be out of order by
# seconds: a minute distinguishes the two.
_SET_BACK = timedelta(minutes=1)
# No zone repeats more than two hours: a line that is further from the one before it is not in the same night.
_ONE_NIGHT = timedelta(hours=3)

# "Nov 23 09:41:36", "Mon Nov 23 09:41:36 2026", "2026-11-23T09:41:36.123+01:00", "Mon 2026-11-23 09:41:36 CET".
_TIME = (
    rb"(?P<stamp>(?:[A-Za-z\x80-\xff]{2,12}\.? )?"
    rb"(?:(?P<month>[A-Za-z\x80-\xff]{3,12}\.?|\d{1,2}\xe6\x9c\x88) {1,2}(?P<day>\d{1,2}) "
    rb"(?P<clock>\d\d:\d\d:\d\d)(?:\.\d{1,9})?(?: (?P<year>\d{4}))?"
    rb"|(?P<iso>\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?)"
    rb"(?: (?P<zone>UTC|[A-Z]{2,4}T))?))"
)
# Behind the time: OpenWrt's clock since the start; then a host's name, OpenWrt's facility, or a container's stream.
_HOST = rb"(?: \[\d{1,12}\.\d{1,9}\])?(?: (?:std(?:out|err) [FP]|[0-9A-Za-z._:-]{0,254}[0-9A-Za-z]|-))?"
# RFC 5424: process, message and structured data, in which brackets have a backslash.
_RFC5424 = rb" (?:\d{1,10}|-) \S{1,32} (?:-|(?:\[(?:[^\]\\]|\\.){1,400}\]){1,8})"
# The priority of syslog, and the version of RFC 5424; docker compose writes the name of the container.
_BEGINNING = rb"(?:[\w.-]{1,64} {1,20}\| )?(?:<\d{1,3}>)?(?:1 )?"


def header(process: bytes) -> bytes:
    """A pattern for all that syslog, or a program like it, writes before the messages of ``process`` (a pattern)."""
    return _BEGINNING + _TIME + _HOST + rb" " + process + rb"(?:(?:\[\d{1,10}\])?:|" + _RFC5424 + rb") {1,2}" + BOM


# RFC 5424 s.6.4: UTF-8 may be marked by these three bytes.
BOM = rb"(?:\xef\xbb\xbf)?"
# Time and host alone: what a container's log has before a line that has no process.
STAMPED = _BEGINNING + rb"(?:" + _TIME + _HOST + rb" )?"


class LogClock:
    """The times of a log, read in the order of its lines.

    Many lines have neither year nor zone. The year is the latest one that is not more than a day after the reading.
    In the night in which the clocks go back an hour comes twice: it is the second one once a line is earlier than the
    line before it.

    Args:
        now: the time of reading.
        zone: of the clock that writes the log; None is the zone of this host.
        last: the local time of the last line, of an earlier `kept`.
        second: whether that was in the second of two equal hours.
    """

    def __init__(
        self, now: Callable[[], datetime], zone: tzinfo | None, last: datetime | None = None, *, second: bool = False
    ) -> None:
        self._now = now
        self._zone = zone
        self._last = last
        self._second = second
        self._stamp: bytes | None = None
        self._at = datetime.fromtimestamp(0, UTC)

    @property
    def kept(self) -> tuple[str | None, bool]:
        """What later lines depend on."""
        return (self._last.isoformat() if self._last else None), self._second

    def time(self, found: re.Match[bytes]) -> datetime:
        """When the line under the pattern of `header` was written.

        Raises:
            LeaseFormatError: there is no such time.
        """
        stamp = found["stamp"]
        if stamp != self._stamp:  # most lines of a burst have the same
            self._at = self._read(found)
            self._stamp = stamp
        return self._at

    def iso(self, text: bytes, zone: bytes | None = None) -> datetime:
        """An ISO 8601 time, with its zone or in that of the log. Raises LeaseFormatError."""
        try:
            moment = datetime.fromisoformat(text.decode("ascii"))
            if moment.tzinfo or zone == b"UTC":
                return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
            return self._resolved(moment.replace(tzinfo=self._zone))
        except (ValueError, OverflowError):
            raise LeaseFormatError("there is no such time") from None

    def _read(self, found: re.Match[bytes]) -> datetime:
        if found["iso"]:
            return self.iso(found["iso"], found["zone"])
        month, hour, minute, second = _month(found["month"]), *map(int, found["clock"].split(b":"))
        now = self._now()
        years = [int(found["year"])] if found["year"] else range(now.year + 1, now.year - _LEAP_YEARS_APART - 1, -1)
        for year in years:
            try:
                local = datetime(year, month, int(found["day"]), hour, minute, second, tzinfo=self._zone)
                if found["year"] or local.astimezone(UTC) <= now + _AHEAD:
                    return self._resolved(local)
            except (ValueError, OverflowError):
                continue  # 29 February
        raise LeaseFormatError("there is no such time")

    def _resolved(self, local: datetime) -> datetime:
        """``local`` in UTC: it may have come twice in the night in which the clocks went back."""
        wall = local.replace(tzinfo=None)
        last, self._last = self._last, wall
        first, second = local.astimezone(UTC), local.replace(fold=1).astimezone(UTC)
        if first >= second or last is None or abs(wall - last) > _ONE_NIGHT:
            self._second = False
        elif wall < last - _SET_BACK:
            self._second = True
        return second if self._second else first


def _month(name: bytes) -> int:
    text = name.decode("utf-8", "replace").lower().rstrip(".")
    if text.endswith("月") and text[:-1].isdecimal():
        return int(text[:-1])
    for number, names in enumerate(_MONTHS, 1):
        if text in names:
            return number
    raise LeaseFormatError("there is no such month, or its language is not known; write English or ISO 8601 times")


def is_marked(record: bytes, process: bytes, marks: Sequence[bytes]) -> bool:
    """Whether a line is worth a pattern: most lines of a shared log are not.

    Args:
        record: the line.
        process: in every line of the server.
        marks: one of them is in each line that counts.
    """
    if process not in record:
        return False
    for mark in marks:  # noqa: SIM110 - any() takes twice as long
        if mark in record:
            return True
    return False
