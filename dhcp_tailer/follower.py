"""Following a file through everything that happens to one: growth, rotation, truncation, absence."""

import os
from collections import deque
from collections.abc import Collection
from pathlib import Path

from bringup import log
from dhcp_tailer.availability import Availability
from dhcp_tailer.layout import LINES, Layout
from dhcp_tailer.open_file import Generation, Rewritten, open_regular
from dhcp_tailer.position import Position
from dhcp_tailer.records import Record
from dhcp_tailer.rotation import Likeness, earlier, find, likeness, successors

_log = log.get(__name__)


class Follower:
    """Yields the records of a file in order, across its generations, and knows where it stands.

    A record counts as done only when the caller says so: `position` never runs ahead of that. All records of
    one `poll` must be done before the next.
    """

    def __init__(
        self, path: Path, position: Position | None = None, *, from_end: bool = False, layout: Layout = LINES
    ) -> None:
        self._path = path
        self._layout = layout
        self._resume_at = position
        self._from_end = from_end
        self._generations: deque[Generation] = deque()  # oldest first; the last is the live file
        self._availability = Availability(path)

    @property
    def unavailable(self) -> str | None:
        """Why the file cannot be read now."""
        return self._availability.why

    @property
    def position(self) -> Position | None:
        """Behind the last record that is done; None before anything was found."""
        return self._generations[0].position if self._generations else self._resume_at

    def poll(self, limit: int) -> list[Record]:
        """Up to ``limit`` records that are there now; none: come back when the file has changed."""
        try:
            if not self._generations:
                self._begin()
            return self._next(limit)
        except OSError as error:
            self._availability.lost(error)
            return []

    @property
    def lag_bytes(self) -> int:
        """What is written and not done yet, in all generations that are open."""
        return sum(generation.unread for generation in self._generations)

    def done(self, record: Record) -> None:
        """``record``, of the last `poll`, need not be read again."""
        self._generations[0].done(record)

    def close(self) -> None:
        """Give all descriptors back."""
        while self._generations:
            self._generations.popleft().close()

    def _next(self, limit: int) -> list[Record]:
        while True:
            if records := self._read(limit):
                return records
            if len(self._generations) == 1:
                if not self._rotated():
                    return []
            elif leftover := self._generations[0].leftover():
                return [leftover]
            else:
                self._generations.popleft().close()

    def _read(self, limit: int) -> list[Record]:
        while True:
            try:
                return self._generations[0].read(limit)
            except Rewritten:
                self._start_over()

    def _begin(self) -> None:
        """Open the file where we left it. Raises OSError while there is none."""
        if self.unavailable:
            os.close(open_regular(self._path))  # cheap, where a search through the directory is not
        position = self._resume_at
        if position is None:
            self._begin_anew()
        elif found := self._find(position):
            # Without a head, or with no more than the header of a lease file, there is little to tell it by.
            if found == self._path and (self._layout.remembers or not position.offset):
                self._generations.extend(self._successors(position))
            self._generations.append(self._open(found, position.offset))
        else:
            self._begin_without(position)
        self._availability.back()

    def _begin_anew(self) -> None:
        try:
            live = self._open(self._path)
        except FileNotFoundError:
            self._from_end = False  # whatever will be in it comes after our start
            raise
        if self._from_end:
            live.skip_to_end()
        else:
            self._generations.extend(self._opened(earlier(self._path, self._layout.earlier)))
        self._generations.append(live)

    def _begin_without(self, position: Position) -> None:
        live = self._open(self._path)
        self._generations.extend([*self._successors(position), live])
        _log.warning(
            "the file that was read until now is gone; records written to it since may be lost",
            path=str(self._path),
            offset=position.offset,
            last_written=position.written_at,
        )

    def _rotated(self) -> bool:
        """Whether another file has taken our path.

        The old one stays ours until the new one has something to say: its writer may still hold it open.
        """
        last = self._generations[-1]
        status = self._path.stat()
        if last.is_file(status) or not status.st_size:
            self._availability.back()
            return False
        position = last.position
        copied = likeness(self._path, position) is Likeness.COPY
        live = self._open(self._path, position.offset if copied else 0)
        self._availability.back()
        self._generations.extend([*self._successors(position, but=[last]), live])
        _log.info("the file was rotated; the old one is read to its end first", path=str(self._path))
        return True

    def _start_over(self) -> None:
        """The file was truncated: read it from its beginning, after what was copied away before."""
        rewritten = self._generations[0]
        position = rewritten.position
        copy = self._find(position) if position.offset else None
        missed = [self._open(copy, position.offset)] if copy else []
        if self._is_live(rewritten):  # a renamed file has its successors behind it, not before
            missed += self._successors(position, but=[rewritten, *missed])
        rewritten.start_over()
        self._generations.extendleft(reversed(missed))
        if copy:
            _log.info("the file was copied and truncated; the copy is read to its end first", path=str(copy))
        elif position.offset:
            _log.warning(
                "the file was truncated or written anew; it is read from its beginning, and records written to it "
                "since the last look may be lost",
                path=str(self._path),
                offset=position.offset,
            )

    def _is_live(self, generation: Generation) -> bool:
        try:
            return generation.is_file(self._path.stat())
        except OSError:
            return False

    def _open(self, path: Path, offset: int = 0) -> Generation:
        return Generation.open(path, offset, self._layout)

    def _find(self, position: Position) -> Path | None:
        return find(self._path, position, copies=not self._layout.remembers)

    def _successors(self, position: Position, but: Collection[Generation] = ()) -> list[Generation]:
        return self._opened(successors(self._path, position.written_ns, but, self._layout.beside))

    def _opened(self, rotated: list[Path]) -> list[Generation]:
        generations = []
        for path in rotated:
            try:
                generations.append(self._open(path))
            except OSError as error:
                _log.warning("a rotated file cannot be read; its records are lost", path=str(path), why=error.strerror)
        return generations
