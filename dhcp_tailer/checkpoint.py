"""The checkpoint: how far the records are safely in Redis, and when that is written."""

import ctypes
import os
import signal
import time
from collections.abc import Callable
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError, model_validator

from bringup.errors import PermanentError
from bringup.files import write_atomically
from bringup.outages import Alarm
from dhcp_tailer.accounting import Accounting
from dhcp_tailer.open_file import Position

# Seconds between two checkpoints: after a crash no more than 0.2 s of records are read again.
INTERVAL_S = 0.2
# Seconds that leases may wait for a checkpoint: half of what the slowest one in a hundred may take to its job.
LONGEST_INLINE_S = 0.004
# One part in twenty of our time at most goes into checkpoints: a large state on a slow disk is written less often.
_COST = 20

_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>: the signal that a process gets when its parent dies


class Checkpoint(BaseModel):
    """Position, parser's state and counts belong together: one file, written in one step."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[2] = 2
    source: str
    path: str
    position: Position
    state: JsonValue  # what the parser must know to read on
    counts: dict[str, int] = {}  # records by outcome, up to this position
    last_record_at: datetime | None = None
    first_start: datetime | None = None  # of a tailer that has not read all yet that was in the file then

    @model_validator(mode="before")
    @classmethod
    def _from_version_1(cls, document: Any) -> Any:
        """In version 1 the state was called memory."""
        if not isinstance(document, dict) or document.get("version") != 1 or "memory" not in document:
            return document
        rest = {name: value for name, value in document.items() if name != "memory"}
        return rest | {"version": 2, "state": document["memory"]}


def checkpoint_file(state_dir: Path, source: str, path: Path) -> Path:
    """Where the checkpoint is: each source and file have one of their own.

    Args:
        state_dir: STATE_DIR.
        source: DHCP_SOURCE.
        path: DHCP_PATH.
    """
    name = sha256(str(path.absolute()).encode(errors="surrogateescape")).hexdigest()[:12]
    return state_dir / f"tail-{source}-{name}.json"


def read_checkpoint(file: Path) -> Checkpoint | None:
    """The checkpoint in ``file``; None if there is none.

    Raises:
        ValueError: it is damaged.
        PermanentError: it cannot be read; to begin anew would hide that.
    """
    try:
        text = file.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise PermanentError(f"{file} cannot be read: {error.strerror}; check STATE_DIR") from None
    return Checkpoint.model_validate_json(text)


def damage(error: ValueError) -> str:
    """The reason why a checkpoint is damaged, without its content: pydantic's own text would print that."""
    return f"{error.error_count()} things in it are wrong" if isinstance(error, ValidationError) else str(error)


def write_checkpoint(file: Path, checkpoint: Checkpoint) -> None:
    """Replace ``file`` in one step, mode 0600: after a crash it is the old one or the new one.

    Raises:
        OSError: it cannot be written; the old one is still there.
    """
    # We hold the lock of this checkpoint: one name for the temporary file, so that no kill can leave many of them.
    write_atomically(file, checkpoint.model_dump_json(), sole_writer=True)


class Saver:
    """Writes the checkpoint of one source following one file, at most every `INTERVAL_S`.

    Args:
        file: of the checkpoint.
        source: DHCP_SOURCE.
        path: DHCP_PATH.
        state: of the parser, at the position that is saved.
        accounting: its counts are kept in the checkpoint.
        first_start: when the first reading of the file began; None once it is over.
        clock: seconds that only go forward.
    """

    def __init__(
        self,
        file: Path,
        *,
        source: str,
        path: Path,
        state: Callable[[], JsonValue],
        accounting: Accounting | None = None,
        first_start: Callable[[], datetime | None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._file = file
        self._source = source
        self._path = path
        self._state = state
        self._accounting = accounting or Accounting()
        self._clock = clock
        self._first_start = first_start
        self._saved: _Saved | None = None
        self._child: _Child | None = None
        self._is_slow = False
        self._next_s = 0.0
        self._alarm = Alarm(
            __name__,
            "the checkpoint cannot be written; a restart would read more again",
            "the checkpoint can be written again",
        )

    @property
    def due(self) -> bool:
        """Whether enough time has passed, and no child is writing."""
        return (self._child is None or self._reap(wait=False)) and self._clock() >= self._next_s

    def save_first(self, position: Position | None) -> None:
        """Write ``position`` unless one was written since the start: it names the file that is begun."""
        if self._saved is None and self.due:
            self.save(position)

    def save(self, position: Position | None, *, last: bool = False) -> None:
        """Write ``position`` and the state that belongs to it, unless it is written.

        Once a write has taken long, because of a large state or a slow disk, a child writes: leases do not wait for it.
        A full disk is logged once and stops nothing: with the old checkpoint a restart only reads more again.

        Args:
            position: behind the last record that is done.
            last: it is written when this returns.
        """
        if self._child and not self._reap(wait=last):
            return
        wanted = position, self._first_start()
        if position is None or wanted == self._saved:
            return
        began_s = self._clock()
        if self._is_slow and not last:
            self._child = _Child.fork(lambda: self._write(position), wanted)
            return
        try:
            self._write(position)
        except OSError as error:
            self._ended(None, str(error.strerror), self._clock() - began_s)
        else:
            self._ended(wanted, None, self._clock() - began_s)

    def _write(self, position: Position) -> None:
        checkpoint = Checkpoint(
            source=self._source,
            path=str(self._path),
            position=position,
            state=self._state(),
            counts={outcome.value: number for outcome, number in self._accounting.counts.items()},
            last_record_at=self._accounting.last_record_at,
            first_start=self._first_start(),
        )
        write_checkpoint(self._file, checkpoint)

    def _reap(self, *, wait: bool) -> bool:
        """Whether the child has ended; it has one."""
        ended = self._child.ended(wait=wait) if self._child else None
        if not self._child or not ended:
            return False
        wanted, self._child = self._child.wanted, None
        self._ended(None if ended.problem else wanted, ended.problem, ended.cpu_s)
        return True

    def _ended(self, saved: "_Saved | None", problem: str | None, took_s: float) -> None:
        if saved:
            self._saved = saved
            self._alarm.clear()
        else:
            self._alarm.report(str(problem))
        self._is_slow = self._is_slow or took_s > LONGEST_INLINE_S
        self._next_s = self._clock() + max(INTERVAL_S, _COST * took_s)


_Saved = tuple[Position | None, datetime | None]


class _Ended(NamedTuple):
    """What became of a write."""

    problem: str | None
    cpu_s: float  # the time of the disk is not ours: we go on meanwhile


class _Child(NamedTuple):
    """A process that writes a checkpoint: a copy of ours as it was in the moment of the fork.

    It holds our lock too, and dies with us: so no later tailer begins while it may still write.
    """

    pid: int
    wanted: _Saved

    @classmethod
    def fork(cls, write: Callable[[], None], wanted: _Saved) -> "_Child":
        """Begin to write."""
        libc, parent = ctypes.CDLL(None), os.getpid()
        pid = os.fork()
        if pid:
            return cls(pid, wanted)
        code = 1
        try:
            libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() == parent:  # else it died before that took effect
                write()
                code = 0
        except OSError as error:
            code = error.errno or 1
        finally:
            os._exit(code)

    def ended(self, *, wait: bool) -> _Ended | None:
        """How it ended; None while it works."""
        pid, status, used = os.wait4(self.pid, 0 if wait else os.WNOHANG)
        if not pid:
            return None
        code = os.waitstatus_to_exitcode(status)
        problem = None if code == 0 else os.strerror(code) if code > 0 else f"its process was ended by signal {-code}"
        return _Ended(problem, used.ru_utime + used.ru_stime)
