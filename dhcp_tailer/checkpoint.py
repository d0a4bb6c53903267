"""The checkpoint: how far the records are safely in Redis, when that is written, and the lock that guards it."""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError, model_validator

from bringup.errors import PermanentError
from bringup.files import write_atomically
from bringup.outages import Alarm
from bringup.text import printable
from dhcp_tailer.accounting import Accounting
from dhcp_tailer.open_file import Position

# Seconds between two checkpoints: after a crash no more than 0.2 s of records are read again.
INTERVAL_S = 0.2
# One part in twenty of our time at most goes into checkpoints: a large state on a slow disk is written less often.
_COST = 20


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
        self._saved: tuple[Position, datetime | None] | None = None
        self._next_s = 0.0
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

    def save(self, position: Position | None) -> None:
        """Write ``position`` and the state that belongs to it, unless it is written.

        A full disk is logged once and stops nothing: with the old checkpoint a restart only reads more again.
        """
        if position is None or (position, self._first_start()) == self._saved:
            return
        started = self._clock()
        checkpoint = Checkpoint(
            source=self._source,
            path=str(self._path),
            position=position,
            state=self._state(),
            counts={outcome.value: number for outcome, number in self._accounting.counts.items()},
            last_record_at=self._accounting.last_record_at,
            first_start=self._first_start(),
        )
        try:
            write_checkpoint(self._file, checkpoint)
        except OSError as error:
            self._alarm.report(str(error.strerror))
        else:
            self._saved = position, checkpoint.first_start
            self._alarm.clear()
        finished = self._clock()
        self._next_s = finished + max(INTERVAL_S, _COST * (finished - started))


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file ``path`` for the length of a block; the kernel releases it when we die.

    Without it two tailers of one file would write into each other's temporary file, and damage the checkpoint.

    Raises:
        PermanentError: another process holds it, or it cannot be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise PermanentError(f"{error.filename or path} cannot be written: {error.strerror}; check STATE_DIR") from None
    try:
        _lock(descriptor, path)
        yield
    finally:
        os.close(descriptor)


def is_locked(path: Path) -> bool:
    """Whether a process holds the lock file ``path``."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _lock(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = printable(os.pread(descriptor, 64, 0).decode("ascii", "replace").strip())
        raise PermanentError(f"another tailer ({holder or 'unknown'}) follows this file; it holds {path}") from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"process {os.getpid()}\n".encode(), 0)
