"""A record of a file, and what cuts a stream of bytes into records."""

from typing import NamedTuple, Protocol

LONGEST_RECORD = 64 * 1024  # bytes; no DHCP server writes one near it
SHOWN = 200  # bytes kept of a damaged record, to say which one it was


class Record(NamedTuple):
    """One record of a file, and the place just behind it."""

    data: bytes  # without the newline at its end; only the beginning if damaged
    end: int  # offset in the file, bytes
    damage: str | None = None  # why it is not whole


class Splitter(Protocol):
    """Cuts a stream of chunks into records; what it holds in memory is bounded."""

    @property
    def fed_to(self) -> int:
        """Offset of the next byte to feed."""

    def feed(self, chunk: bytes) -> list[Record]:
        """The records that ``chunk`` completes."""

    def cut(self) -> Record | None:
        """What is held of a record that will never be completed."""
