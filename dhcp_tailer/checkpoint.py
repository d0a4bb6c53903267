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

from pydantic import BaseModel, ConfigDict, JsonValue, model_validator

from bringup import log
from bringup.errors import PermanentError
from bringup.text import printable
from dhcp_tailer.accounting import Accounting
from dhcp_tailer.open_file import Position

_log = log.get(__name__)
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


def write_checkpoint(file: Path, checkpoint: Checkpoint) -> None:
    """Replace ``file`` in one step, mode 0600: after a crash it is the old one or the new one.

    Raises:
        OSError: it cannot be written; the old one is still there.
    """
    temporary = file.with_name(f".{file.name}.new")  # one name, ours while we hold the lock: a kill leaves no litter
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(checkpoint.model_dump_json())
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(file)


class Saver:
    """Writes the checkpoint of one source following one file, at most every `INTERVAL_S`.

    Args:
        file: of the checkpoint.
        source: DHCP_SOURCE.
        path: DHCP_PATH.
        state: of the parser, at the position that is saved.
        accounting: its counts are kept in the checkpoint.
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
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._file = file
        self._source = source
        self._path = path
        self._state = state
        self._accounting = accounting or Accounting()
        self._clock = clock
        self._saved: Position | None = None
        self._next_s = 0.0
        self._failing = False

    @property
    def due(self) -> bool:
        """Whether enough time has passed."""
        return self._clock() >= self._next_s

    def save(self, position: Position | None) -> None:
        """Write ``position`` and the state that belongs to it, unless it is written.

        A full disk is logged once and stops nothing: with the old checkpoint a restart only reads more again.
        """
        if position is None or position == self._saved:
            return
        started = self._clock()
        checkpoint = Checkpoint(
            source=self._source,
            path=str(self._path),
            position=position,
            state=self._state(),
            counts={outcome.value: number for outcome, number in self._accounting.counts.items()},
            last_record_at=self._accounting.last_record_at,
        )
        try:
            write_checkpoint(self._file, checkpoint)
        except OSError as error:
            self._log_failing(error)
        else:
            self._saved = position
            self._log_working()
        finished = self._clock()
        self._next_s = finished + max(INTERVAL_S, _COST * (finished - started))

    def _log_failing(self, error: OSError) -> None:
        if not self._failing:
            _log.error("the checkpoint cannot be written; a restart would read more again", why=error.strerror)
        self._failing = True

    def _log_working(self) -> None:
        if self._failing:
            _log.info("the checkpoint can be written again")
        self._failing = False


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


def _lock(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = printable(os.pread(descriptor, 64, 0).decode("ascii", "replace").strip())
        raise PermanentError(f"another tailer ({holder or 'unknown'}) follows this file; it holds {path}") from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"process {os.getpid()}\n".encode(), 0)
