"""The highest change number that this host has seen, on its disk; all processes of the host share the file."""

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, Field, ValidationError

from bringup.errors import StateDirUnavailable
from bringup.model import utc_now

# A thousand changes a second for 280,000 years. A file that says more is damaged; and from the end of its 64 bits
# Redis could not count on.
_HIGHEST = 2**53


class Remembered(BaseModel):
    """One change and when it was written down."""

    number: int = Field(ge=0, le=_HIGHEST)
    at: AwareDatetime


class ChangeMemory:
    """Raises StateDirUnavailable from every method when the file cannot be read or written."""

    def __init__(self, path: Path) -> None:
        self._path = path

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
        """Between reading and writing no other process may write a higher number."""
        try:
            descriptor = os.open(self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StateDirUnavailable(f"{self._path.parent} cannot be written: {error.strerror}") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _write(self, number: int) -> None:
        text = Remembered(number=number, at=utc_now()).model_dump_json() + "\n"
        try:
            write_durably(self._path, text)
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
