"""What a file looks like, whatever DHCP_SOURCE claims: a wrong source reads every lease of a server as noise."""

import os
import re
from pathlib import Path
from typing import NamedTuple

from bringup import errors, log
from dhcp_tailer.open_file import Opened

_log = log.get(__name__)
# Bytes that are looked at, at the beginning and at the end: some hundred lines, among them several of the DHCP server
# in a log that it shares with other programs.
_LOOK = 64 * 1024


class Kind(NamedTuple):
    """A format, and the source that reads it."""

    name: str
    source: str | None  # None: no source does
    pattern: re.Pattern[bytes]  # one match a record


_KINDS = (
    Kind(
        "Kea's lease file",
        "kea-csv",
        re.compile(rb"^address,(?:hwaddr|duid|client_id),.*$|^[0-9a-f.:]+,.*,.*,\d+,\d+,\d+,", re.M),
    ),
    Kind("the lease file of ISC dhcpd", "isc-leases", re.compile(rb'^(?:lease [0-9.]+|ia-[nt]a ".*") \{', re.M)),
    Kind(
        "dnsmasq's lease file",
        "dnsmasq-leases",
        re.compile(rb"^(?:\d{1,12} \S{1,60} [0-9a-f.:]{2,45} \S+ \S+|duid [0-9a-f:]+)$", re.M),
    ),
    Kind("dnsmasq's log", "dnsmasq-log", re.compile(rb"^[^{].*?\bdnsmasq-dhcp(?:\[\d+\]:|:| )", re.M)),
    Kind("Kea's log", "kea-log", re.compile(rb"^.*?(?:\bDHCP[46]_[A-Z_]{4}|\[kea-dhcp[46])", re.M)),
    Kind(
        "the log of ISC dhcpd",
        "isc-log",
        re.compile(
            rb"^[^{].*?\bdhcpd[36]?(?:\[\d+\]:|:| \d+ )|^DHCP(?:ACK|OFFER|DISCOVER|REQUEST) (?:on|for|from) ", re.M
        ),
    ),
    Kind("JSON lines of a hook", "jsonl", re.compile(rb'^\{.*"event_type"', re.M)),
    Kind(
        "the log of RouterOS (MikroTik)",
        None,
        re.compile(rb"^.*?(?:\bdhcp,(?:info|debug)|\bdhcp\S* (?:de)?assigned )", re.M),
    ),
    Kind(
        "the audit log of Windows' DHCP server",
        None,
        re.compile(rb"Microsoft DHCP Service|^ID,Date,Time,|^\d\d,\d\d/\d\d/\d\d,\d\d:\d\d:\d\d,", re.M),
    ),
)
_MAGIC = (
    (b"\xff\xfe", "text in UTF-16"),
    (b"\xfd7zXZ\0", "a file that xz has compressed"),
    (b"\x28\xb5\x2f\xfd", "a file that zstd has compressed"),
    (b"BZh", "a file that bzip2 has compressed"),
)  # gzip is read


def recognise(sample: bytes) -> Kind | None:
    """The kind that most of the lines of ``sample`` are of; None if they are of none."""
    for magic, name in _MAGIC:
        if sample.startswith(magic):
            return Kind(name, None, re.compile(re.escape(magic)))
    found = [(sum(1 for _ in kind.pattern.finditer(sample)), kind) for kind in _KINDS]
    number, best = max(found, key=lambda each: each[0])
    return best if number else None


def mismatch(path: Path, source: str) -> str | None:
    """What the file looks like and which DHCP_SOURCE reads it; None where ``source`` may be right.

    Args:
        path: of the file.
        source: DHCP_SOURCE, or that of ``--source``.
    """
    try:
        sample = _sample(path)
    except OSError:
        return None
    kind = recognise(sample)
    if (
        kind is None
        or kind.source == source
        or any(own.pattern.search(sample) for own in _KINDS if own.source == source)
    ):
        return None
    reads = f"set DHCP_SOURCE={kind.source}" if kind.source else "no source reads that; see docs/dhcp.md for jsonl"
    return f"{path} looks like {kind.name} and holds no lease that DHCP_SOURCE={source} reads; {reads}"


def require_match(path: Path, source: str, records: int) -> None:
    """Judge a file that was read to its end without finding a lease.

    Args:
        path: of the file.
        source: that it was read by.
        records: that were read.

    Raises:
        PermanentError: it looks like another source's.
    """
    if wrong := mismatch(path, source):
        raise errors.PermanentError(wrong)
    if records and recognise(_sample(path)) is None:
        _log.warning(
            "no record is a lease, and the format is not known; check DHCP_SOURCE and DHCP_PATH", path=str(path)
        )


def warn(path: Path, source: str, records: int) -> None:
    """Log that so many records gave no lease, unless the file looks as it should.

    Args:
        path: of the file.
        source: DHCP_SOURCE.
        records: that were read.
    """
    wrong = mismatch(path, source)
    try:
        as_it_should = not wrong and (kind := recognise(_sample(path))) is not None and kind.source == source
    except OSError:
        return
    if not as_it_should:
        hint = wrong or "check DHCP_SOURCE and DHCP_PATH"
        _log.warning("many records and not one lease among them", records=records, hint=hint)


def reason(record: bytes, source: str) -> str:
    """Why ``record`` is no lease for ``source``, where its parser knows no more than that."""
    kind = recognise(record)
    if kind is None:
        return "has nothing of a lease in it"
    if kind.source == source:
        return "neither gives a lease nor ends one"
    return f"is of {kind.name}" + (f", which DHCP_SOURCE={kind.source} reads" if kind.source else "")


def _sample(path: Path) -> bytes:
    """The beginning and the end of a file. Raises OSError."""
    opened = Opened.of(path)
    try:
        size = opened.size
        head = os.pread(opened.descriptor, _LOOK, 0)
        return head + (os.pread(opened.descriptor, _LOOK, size - _LOOK) if size > 2 * _LOOK else b"")
    finally:
        opened.close()
