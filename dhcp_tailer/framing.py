"""Framing: the bytes of a followed file cut into records, and how the records of each DHCP server lie in its files."""

import itertools
import re
from dataclasses import dataclass
from typing import NamedTuple

# Bytes of one record that are held: a file without newlines must not exhaust the memory. The longest record in the
# samples of real servers has 976 bytes, and a DHCP packet itself seldom more than 1500.
LONGEST_RECORD = 64 * 1024
# Bytes kept of a damaged record: enough to see in a log line which one it was.
SHOWN = 200

# A block as dhcpd writes nearly all, recognised at once instead of line by line: whole, and its lines are indented.
_BLOCK = re.compile(rb"[^\s{}][^\n{}]*\{\n(?:[ \t][^\n]*+\n)*+\}\n")

_NEVER_ENDED = "its block never ended"


class Record(NamedTuple):
    """One record of a file, and the offset just behind it."""

    data: bytes  # without the newline at its end; only the beginning if damaged
    end: int  # offset in the file, bytes
    damage: str | None = None  # why it is not whole


class Lines:
    """Cuts bytes into lines; only its newline makes one whole. No more than one is held in memory.

    Args:
        offset: of the first byte, bytes.
    """

    def __init__(self, offset: int) -> None:
        self._end = offset  # behind the last record
        self._held = b""  # the beginning of the next one
        self._dropped = 0  # bytes of it that are no longer held because it is too long
        self._shown = b""

    @property
    def fed_to(self) -> int:
        """Offset of the next byte to feed."""
        return self._end + self._dropped + len(self._held)

    def release(self) -> bytes:
        """The beginning of a line that is held, to be fed again; nothing of one that is too long."""
        held, self._held = self._held, b""
        return held

    @property
    def is_between(self) -> bool:
        """Whether the next byte begins a line."""
        return not self._held and not self._dropped

    def skip(self, length: int) -> int:
        """Leave out so many bytes of whole lines; the offset behind them."""
        self._end += length
        return self._end

    def feed(self, chunk: bytes) -> list[Record]:
        """The records that ``chunk`` completes; what follows its last newline is held back."""
        *lines, self._held = (self._held + chunk).split(b"\n")
        if self._dropped or max(map(len, lines), default=0) > LONGEST_RECORD:
            records = [self._record(line) for line in lines]
        else:  # as nearly always: several times as fast
            ends = list(itertools.accumulate([len(line) + 1 for line in lines], initial=self._end))
            self._end = ends[-1]
            records = list(map(Record, lines, ends[1:]))
        if len(self._held) > LONGEST_RECORD:
            self._drop()
        return records

    def held(self) -> Record | None:
        """The part of a line that is there, as if it was all."""
        if self.fed_to == self._end:
            return None
        damage = f"longer than {LONGEST_RECORD} bytes" if self._dropped else None
        return Record(self._shown or self._held, self.fed_to, damage)

    def cut(self) -> Record | None:
        """The part that is held of a line whose newline will never come."""
        held = self.held()
        if held is None:
            return None
        self._end = held.end
        self._held, self._dropped, self._shown = b"", 0, b""
        return Record(held.data[:SHOWN], held.end, "its line never ended")

    def _record(self, line: bytes) -> Record:
        length = self._dropped + len(line)
        self._end += length + 1
        if length <= LONGEST_RECORD:
            return Record(line, self._end)
        shown = (self._shown or line)[:SHOWN]
        self._dropped, self._shown = 0, b""
        return Record(shown, self._end, f"longer than {LONGEST_RECORD} bytes")

    def _drop(self) -> None:
        self._shown = self._shown or self._held[:SHOWN]
        self._dropped += len(self._held)
        self._held = b""


class Blocks:
    """Cuts bytes into blocks, from a line ``... {`` to its line ``}``, and lines outside of such a block.

    That is how ISC dhcpd writes its lease file. What is inside a declaration it writes indented, strings with their
    line breaks escaped, and the closing brace at the beginning of its line: so the braces in a client's text, and
    those of a nested ``on expiry { }``, do not count. Source: dhcpd.leases(5).
    """

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
        data, at, records = self._lines.release() + chunk, 0, list[Record]()
        while at < len(data):
            block = _BLOCK.match(data, at) if not self._open and self._lines.is_between else None
            if block and block.end() - at <= LONGEST_RECORD:
                records.append(Record(block[0][:-1], self._lines.skip(block.end() - at)))
                at = block.end()
                continue
            behind = data.find(b"\n", at) + 1 or len(data)
            records += [record for line in self._lines.feed(data[at:behind]) for record in self._take(line)]
            at = behind
        return records

    def held(self) -> Record | None:
        """The part of a block that is there, as if it was all."""
        line = self._lines.held()
        if not self._open:
            return line
        text = b"\n".join([*self._open, *([line.data] if line else [])])
        return Record(text, self.fed_to, self._damage or (line.damage if line else None))

    def cut(self) -> Record | None:
        """The part that is held of a block whose brace will never come."""
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


@dataclass(frozen=True)
class Layout:
    """How records lie in a kind of file and in the files beside it.

    Args:
        splitter: cuts the bytes of the file into records.
        ending: the bytes at the end of a whole record, by which the last one is found.
        older: name endings of the files that hold records from before our file, oldest first.
        backups: name endings of the files that the server makes when it writes its file anew.
        is_lease_file: its records repeat the state of leases, and a parser must know the old ones. Such files begin
            alike, and each holds all that matters: a new one is read whole, and never taken for a copy of the old.
    """

    splitter: type[Lines] | type[Blocks]
    ending: bytes
    older: tuple[str, ...] = ()
    backups: tuple[str, ...] = ()
    is_lease_file: bool = False


# A log, or JSON lines: nothing is repeated, and rotated files have numbers or dates.
LINES = Layout(Lines, b"\n")
# ISC dhcpd renames its lease file to this when it writes it anew. Source: dhcpd.leases(5).
BLOCKS = Layout(Blocks, b"\n}\n", backups=("~",), is_lease_file=True)
# The files of Kea's clean-up: kea-lfc merges .2 and .1 into .completed, which becomes .2. Source: Kea ARM, s. 8.2.2.
_LFC = (".2", ".1", ".completed")
KEA = Layout(Lines, b"\n", older=_LFC, backups=_LFC, is_lease_file=True)
