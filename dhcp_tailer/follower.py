"""Following a file through everything that happens to one: growth, rotation, truncation, absence."""

from collections import deque
from pathlib import Path

from bringup import log
from dhcp_tailer.framing import LINES, Layout, Record
from dhcp_tailer.open_file import OpenFile, Position, Rewritten
from dhcp_tailer.rotation import Likeness, Rotation, likeness
from dhcp_tailer.watch import availability

_log = log.get(__name__)
# Records asked for at once: enough that a look at the file costs nothing beside them, and some 50 KB in memory.
BATCH = 500


class FileFollower:
    """Yields the records of a file that is appended to, in order and across rotation, and knows its position.

    A record counts as done only when the caller marks it: `position` never runs ahead of that. All records of one
    `poll` must be done before the next.

    Args:
        path: the file; it may not exist yet.
        position: where to go on; None is the beginning.
        from_end: without a position, leave out what the file holds already.
        layout: how records lie in it.
    """

    def __init__(
        self, path: Path, position: Position | None = None, *, from_end: bool = False, layout: Layout = LINES
    ) -> None:
        self._path = path
        self._layout = layout
        self._resume_at = position
        self._from_end = from_end
        self._files: deque[OpenFile] = deque()  # oldest first; the last is the live file
        self._rotation = Rotation(path, layout)
        self._availability = availability(path)

    @property
    def unavailable(self) -> str | None:
        """Why the file cannot be read now."""
        return self._availability.why

    @property
    def position(self) -> Position | None:
        """Behind the last record that is done; None before the file was opened."""
        return self._files[0].position if self._files else self._resume_at

    def poll(self, limit: int) -> list[Record]:
        """Up to ``limit`` records that are there now; none: come back when the file has changed."""
        try:
            if not self._files:
                self._begin()
            return self._next(limit)
        except OSError as error:
            self._availability.report(error.strerror or type(error).__name__)
            return []

    def rest(self) -> list[Record]:
        """The last record if its end is missing, as if it was all; it is never done, for its end may still come."""
        last = self._files[-1].rest() if self._files else None
        return [last] if last else []

    @property
    def lag_bytes(self) -> int:
        """Bytes that are written and not done yet, in all files that are open."""
        return sum(file.unread for file in self._files)

    def done(self, record: Record) -> None:
        """Move the position behind ``record``, of the last `poll`."""
        self._files[0].done(record)

    def close(self) -> None:
        """Close all descriptors."""
        while self._files:
            self._files.popleft().close()

    def _next(self, limit: int) -> list[Record]:
        while True:
            if records := self._read(limit):
                return records
            if len(self._files) == 1:
                if not self._follow_rotation():
                    return []
            elif leftover := self._files[0].leftover():
                return [leftover]
            else:
                self._files.popleft().close()

    def _read(self, limit: int) -> list[Record]:
        while True:
            try:
                return self._files[0].read(limit)
            except Rewritten:
                self._start_over()

    def _begin(self) -> None:
        """Open the file at the position to resume at. Raises OSError while there is none."""
        if self.unavailable:
            self._open(self._path).close()  # cheap, where a search through the directory is not
        position = self._resume_at
        if position is None:
            self._begin_anew()
        elif found := self._rotation.find(position):
            # Without a head, or with no more than the header of a lease file, there is little to recognise it by.
            if found == self._path and (self._layout.is_lease_file or not position.offset):
                self._files.extend(self._rotation.successors(position))
            self._files.append(self._open(found, position.offset))
        else:
            self._begin_without(position)
        self._availability.clear()

    def _begin_anew(self) -> None:
        try:
            live = self._open(self._path)
        except FileNotFoundError:
            self._from_end = False  # whatever will be in it comes after our start
            raise
        if self._from_end:
            live.skip_to_end()
        else:
            self._files.extend(self._rotation.older())
        self._files.append(live)

    def _begin_without(self, position: Position) -> None:
        live = self._open(self._path)
        moved = self._rotation.successors(position)
        self._files.extend([*moved, live])
        # dhcpd writes all leases anew; Kea's clean-up moves the old ones to a file beside, and none is lost with that.
        if self._layout.is_lease_file and (moved or not self._layout.older):
            _log.info("the lease file was written anew; all that it and its backups hold is read", path=str(self._path))
            return
        _log.warning(
            "the file that was read until now is gone; records written to it since may be lost",
            path=str(self._path),
            offset=position.offset,
            last_written=position.written_at,
        )

    def _follow_rotation(self) -> bool:
        """Whether another file has taken our path.

        The old one stays ours until the new one has content: its writer may still hold it open.
        """
        last = self._files[-1]
        status = self._path.stat()
        if last.is_file(status) or not status.st_size:
            self._availability.clear()
            return False
        position = last.position
        copied = likeness(self._path, position) is Likeness.COPY
        live = self._open(self._path, position.offset if copied else 0)
        self._availability.clear()
        self._files.extend([*self._rotation.successors(position, last), live])
        _log.info("the file was rotated; the old one is read to its end first", path=str(self._path))
        return True

    def _start_over(self) -> None:
        """The file was truncated: read it from its beginning, after what was copied away before."""
        rewritten = self._files[0]
        position = rewritten.position
        copy = self._rotation.find(position) if position.offset else None
        missed = [self._open(copy, position.offset)] if copy else []
        if self._is_live(rewritten):  # a renamed file has its successors behind it, not before
            missed += self._rotation.successors(position, rewritten, *missed)
        rewritten.start_over()
        self._files.extendleft(reversed(missed))
        if copy:
            _log.info("the file was copied and truncated; the copy is read to its end first", path=str(copy))
        elif position.offset:
            _log.warning(
                "the file was truncated or written anew; it is read from its beginning, and records written to it "
                "since the last look may be lost",
                path=str(self._path),
                offset=position.offset,
            )

    def _is_live(self, file: OpenFile) -> bool:
        try:
            return file.is_file(self._path.stat())
        except OSError:
            return False

    def _open(self, path: Path, offset: int = 0) -> OpenFile:
        return OpenFile.open(path, offset, self._layout)
