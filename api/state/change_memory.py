"""The highest change number that this host has seen, on its disk; all processes of the host share the file."""

import fcntl
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from threading import Lock

from pydantic import AwareDatetime, BaseModel, Field, ValidationError

from api.blocking import in_a_thread
from bringup.errors import StateDirUnavailable
from bringup.model import utc_now

# A thousand changes a second for 280,000 years. A file that says more is damaged; and from the end of its 64 bits
# Redis could not count on.
_HIGHEST = 2**53

_LOCKED_S = 5.0  # others hold the lock for one write each; longer than this no request may wait for a disk
_LOCK_AGAIN_S = 0.002  # about as long as one write takes


class Remembered(BaseModel):
    """One change and when it was written down."""

    number: int = Field(ge=0, le=_HIGHEST)
    at: AwareDatetime


class ChangeMemory:
    """Raises StateDirUnavailable from every method when the file cannot be read or written."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._ours = Lock()

    def read(self) -> Remembered | None:
        """What is remembered; None: nothing yet."""
        try:
            return Remembered.model_validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StateDirUnavailable(f"{self._path} cannot be read: {error.strerror}") from error
        except ValidationError:
            raise StateDirUnavailable(f"{self._path} is damaged") from None

    def raise_to(self, number: int) -> None:
        """Remember ``number``, unless a higher one is remembered; it is on disk when this returns."""
        with self._locked():
            known = self.read()
            if known is None or known.number < number:
                self._write(number)

    def replace(self, number: int) -> None:
        """Remember ``number``, whatever the file says now."""
        with self._locked():
            self._write(number)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Between reading and writing no other process, and no other request of ours, may write a higher number."""
        deadline = time.monotonic() + _LOCKED_S
        if not self._ours.acquire(timeout=_LOCKED_S):
            raise StateDirUnavailable(f"{self._path} is not written within {_LOCKED_S} s")
        try:
            with self._lock_file() as descriptor:
                self._await_lock(descriptor, deadline)
                yield
        finally:
            self._ours.release()

    @contextmanager
    def _lock_file(self) -> Iterator[int]:
        try:
            descriptor = os.open(self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StateDirUnavailable(f"{self._path.parent} cannot be written: {error.strerror}") from error
        try:
            yield descriptor
        finally:
            os.close(descriptor)  # which ends the lock, too

    def _await_lock(self, descriptor: int, deadline: float) -> None:
        """Ask again and again: to wait in flock() itself would hold up every other request."""
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise StateDirUnavailable(f"{self._path} is locked by another process") from None
                time.sleep(_LOCK_AGAIN_S)
            else:
                return

    def _write(self, number: int) -> None:
        text = Remembered(number=number, at=utc_now()).model_dump_json() + "\n"
        try:
            in_a_thread(partial(write_durably, self._path, text))
        except OSError as error:
            raise StateDirUnavailable(f"{self._path} cannot be written: {error.strerror}") from error


def write_durably(path: Path, text: str) -> None:
    """Replace a file, whole or not at all; it is on disk when this returns. Raises OSError."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        with fresh.open("x", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise
    _fsync_folder(path.parent)


def _fsync_folder(folder: Path) -> None:
    """The new name of a file is lost in a power failure unless its folder is on disk, too."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
