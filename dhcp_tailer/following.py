"""What the tailer needs of whatever follows a file, and which kind of it a source takes."""

from pathlib import Path
from typing import Protocol

from dhcp_tailer.follower import Follower
from dhcp_tailer.position import Position
from dhcp_tailer.records import Record
from dhcp_tailer.snapshots import Snapshots
from dhcp_tailer.sources import DnsmasqLeases, Source


class Following(Protocol):
    """Yields records in order, and knows where it stands. All records of one `poll` must be done before the next."""

    @property
    def unavailable(self) -> str | None:
        """Why the file cannot be read now; None while it can."""

    @property
    def position(self) -> Position | None:
        """Behind the last record that is done; None before anything was found."""

    @property
    def lag_bytes(self) -> int:
        """What is written and not done yet."""

    def poll(self, limit: int) -> list[Record]:
        """Up to ``limit`` records that are there now; none: come back when the file has changed."""

    def done(self, record: Record) -> None:
        """``record``, of the last `poll`, need not be read again."""

    def close(self) -> None:
        """Give all descriptors back."""


def follow(path: Path, source: Source, position: Position | None = None, *, from_end: bool = False) -> Following:
    """The file at ``path``, read as ``source`` needs it; the source must have its memory already.

    Args:
        from_end: without a position, leave out what the file holds already. A source that tells new leases from
            old ones must have read them, so that it can: it reads all of the file here.
    """
    if isinstance(source, DnsmasqLeases):
        following: Following = Snapshots(path, lambda: source.told, position)
        remembers = True
    else:
        remembers = source.layout.remembers
        following = Follower(path, position, from_end=from_end and not remembers, layout=source.layout)
    if from_end and remembers and position is None:
        _learn(following, source)
    return following


def _learn(following: Following, source: Source) -> None:
    while records := following.poll(500):
        for record in records:
            if not record.damage:
                source.parse(record.data)
            following.done(record)
