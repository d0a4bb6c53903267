"""Following a file that is rewritten in place: what it holds is compared with what was reported of it."""

import os
import time
from collections import deque
from collections.abc import Callable, Collection
from pathlib import Path

from bringup.files import Signature
from dhcp_tailer import framing, open_file, watch

# Seconds for which a file must not change until what it lacks counts as gone: a rewrite begins with an empty file.
# To write a lease file takes far less.
SETTLED_S = 0.5
# Nanoseconds: the kernel's clock for file times ticks every 4 ms, so that two states of a file may have one time. A
# file older than this when it was read has no other state of the same time.
_RACY_NS = 100_000_000


class SnapshotFollower:
    """Yields the changes of a file: ``<second> + line`` for a line that appeared, ``<second> - line`` for one gone.

    A line that is there is reported at once; one that is missing only when the file has not changed for `SETTLED_S`.
    The parser keeps what was reported: nothing else is needed after a restart.

    Args:
        path: the file; it may not exist yet.
        reported: the lines that were reported and are still there.
        position: where to go on; None is the beginning.
        clock: seconds that only go forward.
    """

    def __init__(
        self,
        path: Path,
        reported: Callable[[], Collection[bytes]],
        position: open_file.Position | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = path
        self._reported = reported
        self._clock = clock
        self._done = position.offset if position else 0
        self._lines: list[bytes] = []  # of the last look
        self._text: bytes | None = None  # of the last look
        self._read: Signature | None = None  # of the file that need not be read again
        self._at: Signature | None = None
        self._changed_s = 0.0
        self._settled = True
        self._changes: deque[bytes] = deque()
        self._availability = watch.availability(path)

    @property
    def unavailable(self) -> str | None:
        """Why the file cannot be read now."""
        return self._availability.why

    @property
    def position(self) -> open_file.Position | None:
        """Which state of the file was looked at; ``offset`` counts the changes that are done."""
        if self._at is None:
            return None
        at, head = self._at, open_file.digest(self._text or b"")
        return open_file.Position(
            device=at.device, inode=at.inode, offset=self._done, written_ns=at.mtime_ns, head_sha256=head
        )

    @property
    def lag_bytes(self) -> int:
        """Bytes that are read and not done yet."""
        return sum(map(len, self._changes))

    def poll(self, limit: int) -> list[framing.Record]:
        """Up to ``limit`` changes; none: come back when the file has changed, or in a moment."""
        if not self._changes:
            try:
                self._look()
            except OSError as error:
                self._availability.report(error.strerror or type(error).__name__)
        number = min(limit, len(self._changes))
        return [framing.Record(self._changes.popleft(), self._done + 1 + n) for n in range(number)]

    def done(self, record: framing.Record) -> None:
        """Move the position behind ``record``."""
        self._done = record.end

    def rest(self) -> list[framing.Record]:
        """The last line if its newline is missing, as one that appeared."""
        last = (self._text or b"").rpartition(b"\n")[2]
        if not last or last in self._reported():
            return []
        return [framing.Record(self._change(b"+", last), self._done + 1)]

    def close(self) -> None:
        """Nothing is held open."""

    def _look(self) -> None:
        if Signature.of(self._path.stat()) != self._read and (text := self._whole()) is not None and text != self._text:
            self._changed(text)
        elif not self._settled and self._clock() - self._changed_s >= SETTLED_S:
            self._settled = True
            held = set(self._lines)
            self._report(b"-", [line for line in sorted(self._reported()) if line not in held])

    def _changed(self, text: bytes) -> None:
        self._text, self._lines = text, text.split(b"\n")[:-1]  # behind the last newline nothing is whole
        self._changed_s, self._settled = self._clock(), False
        reported = self._reported()
        self._report(b"+", [line for line in self._lines if line not in reported])

    def _report(self, sign: bytes, lines: list[bytes]) -> None:
        self._changes.extend(self._change(sign, line) for line in lines)

    def _change(self, sign: bytes, line: bytes) -> bytes:
        second = self._at.mtime_ns // 10**9 if self._at else 0
        return b"%d %s %s" % (second, sign, line)

    def _whole(self) -> bytes | None:
        """All of the file in one state; None while it is being written."""
        opened = open_file.Opened.of(self._path)
        try:
            # Read twice between two looks at its times: a rewrite in the middle would mix two states.
            before = os.fstat(opened.descriptor)
            text, again = (os.pread(opened.descriptor, before.st_size + 1, 0) for _ in range(2))
            after = os.fstat(opened.descriptor)
        finally:
            opened.close()
        if text != again or len(text) != before.st_size or Signature.of(before) != Signature.of(after):
            return None
        self._at = Signature.of(after)
        self._read = self._at if time.time_ns() - after.st_mtime_ns > _RACY_NS else None
        self._availability.clear()
        return text
