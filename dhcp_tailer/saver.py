"""When the checkpoint is written, and how: its changes at once, all of it now and then."""

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from bringup.outages import Alarm
from dhcp_tailer.accounting import Accounting
from dhcp_tailer.checkpoint import Checkpoint, JournalEntry, Progress, write_checkpoint
from dhcp_tailer.child import Child
from dhcp_tailer.filters import FirstPass
from dhcp_tailer.journal import CheckpointJournal, JournalHead, journal_file, journal_line, journals
from dhcp_tailer.open_file import Position
from dhcp_tailer.sources.parser import Parser

# Seconds between two checkpoints: after a kill no more than 0.2 s of records are read again.
INTERVAL_S = 0.2
# Seconds that leases may wait for a whole checkpoint: half of what the slowest one in a hundred may take to its job.
LONGEST_INLINE_S = 0.004
# One part in twenty of our time at most goes into whole ones: a large state on a slow disk is written less often.
_COST = 20
# Bytes of a journal after which all is written anew, unless the last whole checkpoint was larger: of an idle site one
# in some hours, and what a start reads takes a tenth of a second.
LONGEST_JOURNAL = 4 * 1024 * 1024

_Saved = tuple[Position | None, datetime | None]  # a position, and when the first reading began


class Saver:
    """Writes the checkpoint of one source following one file, at most every `INTERVAL_S`.

    Args:
        file: of the checkpoint.
        parser: its state is kept, as it is at the position that is saved.
        path: DHCP_PATH.
        accounting: its counts are kept in the checkpoint.
        first_pass: whether the first reading of the file is over.
        clock: seconds that only go forward.
    """

    def __init__(
        self,
        file: Path,
        *,
        parser: Parser,
        path: Path,
        accounting: Accounting | None = None,
        first_pass: FirstPass | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._file = file
        self._parser = parser
        self._path = path
        self._accounting = accounting or Accounting()
        self._first_pass = first_pass or FirstPass()
        self._clock = clock
        self._saved: _Saved | None = None
        self._journal: CheckpointJournal | None = None  # None: the next checkpoint is a whole one
        self._next_journal: CheckpointJournal | None = None  # of the whole one that a child writes
        self._child: Child | None = None
        self._is_slow = False
        self._longest_journal = 0
        self._next_s = self._next_whole_s = 0.0
        self._alarm = Alarm(
            __name__,
            "the checkpoint cannot be written; a restart would read more again",
            "the checkpoint can be written again",
        )

    @property
    def due(self) -> bool:
        """Whether enough time has passed."""
        return self._clock() >= self._next_s

    def save_first(self, position: Position | None) -> None:
        """Write ``position`` unless one was written since the start: it names the file that is begun."""
        if self._saved is None and self.due:
            self.save(position)

    def save(self, position: Position | None, *, last: bool = False) -> None:
        """Write ``position`` and the state that belongs to it, unless it is written.

        A thread writes what has changed. Now and then all is written anew: by a child, once that has taken long, so
        that no lease waits for it. A full disk is logged once and stops nothing: with the old checkpoint a restart only
        reads more again.

        Args:
            position: behind the last record that is done.
            last: all is written when this returns, in one file that needs no journal.
        """
        self._reap(wait=last)
        self._give_up_a_broken_journal()
        wanted = position, self._first_pass.since
        if position is None:
            return
        if last:
            self._save_last(position, wanted)
        elif wanted != self._saved:
            self._next_s = self._clock() + INTERVAL_S
            self._append(position)
            self._saved = wanted if self._journal or self._next_journal else None
            if self._is_whole_due():
                self._save_whole(position, wanted)

    def _append(self, position: Position) -> None:
        if not (self._journal or self._next_journal):
            return
        line = journal_line(JournalEntry(**dict(self._progress(position)), changes=self._parser.changes()))
        for journal in (self._journal, self._next_journal):
            if journal:
                journal.append(line)

    def _is_whole_due(self) -> bool:
        if self._child or self._clock() < self._next_whole_s:
            return False
        return self._journal is None or self._journal.size > self._longest_journal

    def _save_whole(self, position: Position, wanted: _Saved) -> None:
        began_s = self._clock()
        whole, head = self._whole(position), JournalHead(reader=self._accounting.reader.name)
        try:
            journal = CheckpointJournal(journal_file(self._file, whole.key), head)
        except OSError as error:
            return self._ended(str(error.strerror), self._clock() - began_s)
        self._next_journal = journal
        self._parser.changes()  # up to now all are in the whole one
        problem = None
        try:
            if self._is_slow:
                self._child = Child.fork(lambda: self._write(journal, whole))
                return None
            self._write(journal, whole)
        except OSError as error:
            problem = str(error.strerror)
        else:
            self._saved = wanted
        return self._ended(problem, self._clock() - began_s)

    def _save_last(self, position: Position, wanted: _Saved) -> None:
        if wanted != self._saved or (self._journal and self._journal.size):
            try:
                write_checkpoint(self._file, self._with_state(self._whole(position)))
            except OSError as error:
                self._alarm.report(str(error.strerror))
                self._append(position)
                return self._end_journal(wait=True)
        self._saved = wanted
        self._alarm.clear()
        self._end_journal()
        return self._remove_journals()

    def _write(self, journal: CheckpointJournal, whole: Checkpoint) -> None:
        journal.sync()  # before the whole one that it belongs to: a power failure must not leave that without it
        write_checkpoint(self._file, self._with_state(whole))

    def _reap(self, *, wait: bool) -> None:
        if self._child and (ended := self._child.ended(wait=wait)):
            self._child = None
            self._ended(ended.problem, ended.cpu_s)

    def _ended(self, problem: str | None, took_s: float) -> None:
        """A whole one was written, or could not be: then the old one and its journal remain."""
        journal, self._next_journal = self._next_journal, None
        self._is_slow = self._is_slow or took_s > LONGEST_INLINE_S
        self._next_whole_s = self._clock() + max(INTERVAL_S, _COST * took_s)
        if problem is None and journal:
            self._end_journal()
            self._journal = journal
            self._longest_journal = max(LONGEST_JOURNAL, self._file.stat().st_size)
            self._remove_journals(but=journal.file)
            self._alarm.clear()
            return
        if journal:
            journal.end()
            _remove(journal.file)
        self._saved = None
        self._alarm.report(str(problem))

    def _give_up_a_broken_journal(self) -> None:
        """What it holds remains; whatever comes is in the next whole one."""
        if self._journal and self._journal.problem:
            self._alarm.report(self._journal.problem)
            self._end_journal()
            self._saved = None

    def _end_journal(self, *, wait: bool = False) -> None:
        if self._journal:
            self._journal.end(wait=wait)
            self._journal = None

    def _remove_journals(self, but: Path | None = None) -> None:
        for other in journals(self._file):
            if other != but:
                _remove(other)

    def _progress(self, position: Position) -> Progress:
        return Progress(
            position=position,
            counts={outcome.value: number for outcome, number in self._accounting.counts.items()},
            last_record_at=self._accounting.last_record_at,
            first_start=self._first_pass.since,
        )

    def _whole(self, position: Position) -> Checkpoint:
        """Without the state, which takes long to make."""
        progress = self._progress(position)
        return Checkpoint(source=self._parser.name, path=str(self._path), state=None, **dict(progress))

    def _with_state(self, whole: Checkpoint) -> Checkpoint:
        return whole.model_copy(update={"state": self._parser.state()})


def _remove(journal: Path) -> None:
    """A journal that is of no use: where the folder takes no change, as of a disk that has failed, it remains."""
    with suppress(OSError):
        journal.unlink(missing_ok=True)
