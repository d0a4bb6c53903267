"""Bytes into lines: only its newline makes a line whole."""

from dhcp_tailer.records import LONGEST_RECORD, SHOWN, Record


class Lines:
    """A record is a line; no more than one is held in memory."""

    def __init__(self, offset: int) -> None:
        self._end = offset  # behind the last record
        self._held = b""  # the beginning of the next one
        self._dropped = 0  # bytes of it that were let go because it is too long
        self._shown = b""

    @property
    def fed_to(self) -> int:
        """Offset of the next byte to feed."""
        return self._end + self._dropped + len(self._held)

    def feed(self, chunk: bytes) -> list[Record]:
        """The records that ``chunk`` completes; what follows its last newline is held back."""
        *lines, self._held = (self._held + chunk).split(b"\n")
        records = [self._record(line) for line in lines]
        if len(self._held) > LONGEST_RECORD:
            self._let_go()
        return records

    def cut(self) -> Record | None:
        """What is held of a record whose newline will never come."""
        if self.fed_to == self._end:
            return None
        record = Record((self._shown or self._held)[:SHOWN], self.fed_to, "its line never ended")
        self._end = record.end
        self._held, self._dropped, self._shown = b"", 0, b""
        return record

    def _record(self, line: bytes) -> Record:
        length = self._dropped + len(line)
        self._end += length + 1
        if length <= LONGEST_RECORD:
            return Record(line, self._end)
        shown = (self._shown or line)[:SHOWN]
        self._dropped, self._shown = 0, b""
        return Record(shown, self._end, f"longer than {LONGEST_RECORD} bytes")

    def _let_go(self) -> None:
        self._shown = self._shown or self._held[:SHOWN]
        self._dropped += len(self._held)
        self._held = b""
