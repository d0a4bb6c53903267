"""Bytes into the declarations of ISC dhcpd's lease file. Source: dhcpd.leases(5).

dhcpd writes what is inside a declaration indented, strings with their line breaks escaped, and the closing brace
at the beginning of its line; so the braces in a client's text, and those of a nested ``on expiry { }``, count not.
"""

from dhcp_tailer.lines import Lines
from dhcp_tailer.records import LONGEST_RECORD, SHOWN, Record

_NEVER_ENDED = "its block never ended"


class Blocks:
    """A record is a line ``... {`` up to its line ``}``, or any line outside of such a block."""

    def __init__(self, offset: int) -> None:
        self._lines = Lines(offset)
        self._open: list[bytes] = []  # lines of the block that is being read
        self._size = 0  # bytes of them
        self._end = offset  # behind the last of them
        self._damage: str | None = None

    @property
    def fed_to(self) -> int:
        """Offset of the next byte to feed."""
        return self._lines.fed_to

    def feed(self, chunk: bytes) -> list[Record]:
        """The blocks and lines that ``chunk`` completes."""
        return [record for line in self._lines.feed(chunk) for record in self._take(line)]

    def cut(self) -> Record | None:
        """What is held of a block whose brace will never come."""
        line = self._lines.cut()
        if line and not self._open:
            return line
        if line:
            self._add(line._replace(damage=None))
        return self._close(_NEVER_ENDED) if self._open else None

    def _take(self, line: Record) -> list[Record]:
        opens = line.data.endswith(b"{") and not line.data[:1].isspace()
        if not self._open and not opens:
            return [line]
        # A server that died within a block leaves it open; the next one begins all the same.
        broken = [self._close(_NEVER_ENDED)] if self._open and opens else []
        self._add(line)
        return [*broken, self._close(None)] if line.data == b"}" else broken

    def _add(self, line: Record) -> None:
        self._end = line.end
        self._size += len(line.data) + 1
        self._damage = self._damage or line.damage
        if self._size > LONGEST_RECORD:
            self._damage = f"longer than {LONGEST_RECORD} bytes"
            self._open = [b"\n".join(self._open)[:SHOWN] or line.data[:SHOWN]]
        else:
            self._open.append(line.data)

    def _close(self, damage: str | None) -> Record:
        text = b"\n".join(self._open)
        damage = self._damage or damage
        record = Record(text[:SHOWN] if damage else text, self._end, damage)
        self._open, self._size, self._damage = [], 0, None
        return record
