"""The highest change number that this host has seen, on its disk: read, raised, and kept up in the background.

All processes of the host share the file.
"""

import fcntl
import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from threading import Lock, Timer

from pydantic import AwareDatetime, BaseModel, Field, ValidationError

from api.blocking import in_a_thread
from api.state.durability import Durability
from bringup import errors, files, model, outages

# A thousand changes a second for 280,000 years. A file with a higher number is damaged; and at the end of its 64 bits
# Redis would stop counting.
_HIGHEST = 2**53
# Others hold the lock for one write each; longer than this no request may wait for a disk.
_LOCKED_S = 5.0
# About as long as one write takes.
_LOCK_AGAIN_S = 0.002
# Bytes of the file: each content has as many, so that the next one is written over it, for a third of what a new file
# costs. Less than a sector (512), which a disk writes whole or not at all; were it not, the file would be damaged, and
# every machine withheld.
_BYTES = 128
# The memory is never more than a second behind what cannot be lost.
FLUSH_S = 0.5
# Changes in memory while none can be remembered; to drop the oldest only delays.
_MOST_PENDING = 10_000


class Remembered(BaseModel):
    """One change, and when it was remembered."""

    number: int = Field(ge=0, le=_HIGHEST)
    at: AwareDatetime


class ChangeMemory:
    """The file.

    Raises:
        StateDirUnavailable: from every method, when the file cannot be read or written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        # flock() belongs to the process: without this lock two of our own requests would both have it.
        self._ours = Lock()
        self._awaited: list[int] = []

    def read(self) -> Remembered | None:
        """What is remembered; None: nothing yet."""
        try:
            return self._read()
        except ValidationError:
            pass
        # Another process may have been writing: nobody does under the lock.
        with self._locked():
            return self._read_or_damaged()

    def _read(self) -> Remembered | None:
        """Raises ValidationError: another process is writing, or the file is damaged."""
        try:
            return Remembered.model_validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise errors.StateDirUnavailable(f"{self._path} cannot be read: {error.strerror}") from error

    def _read_or_damaged(self) -> Remembered | None:
        try:
            return self._read()
        # Not replaced: a damaged file may have held a number that Redis is behind. A person decides.
        except ValidationError:
            raise errors.StateDirUnavailable(f"{self._path} is damaged") from None

    def raise_to(self, number: int) -> None:
        """Remember ``number``, unless a higher one is remembered; it is on disk when this returns."""
        self._awaited.append(number)
        try:
            with self._locked():
                # Under the lock: between reading and writing another process may have remembered a higher number.
                known = self._read_or_damaged()
                if known is None or known.number < number:
                    # For all that wait: one after the other, a hundred permits would take the disk two seconds.
                    self._write(max(self._awaited))
        finally:
            self._awaited.remove(number)

    def replace(self, number: int) -> None:
        """Remember ``number``, whatever the file holds now."""
        with self._locked():
            self._write(number)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Between reading and writing no other process, and no other request of ours, may write a higher number."""
        deadline = time.monotonic() + _LOCKED_S
        if not self._ours.acquire(timeout=_LOCKED_S):
            raise errors.StateDirUnavailable(f"{self._path} is not written within {_LOCKED_S} s")
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
            raise errors.StateDirUnavailable(f"{self._path.parent} cannot be written: {error.strerror}") from error
        try:
            yield descriptor
        finally:
            os.close(descriptor)  # which releases the lock, too

    def _await_lock(self, descriptor: int, deadline: float) -> None:
        """Poll: to wait in flock() itself would block every other request of this process."""
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise errors.StateDirUnavailable(f"{self._path} is locked by another process") from None
                time.sleep(_LOCK_AGAIN_S)
            else:
                return

    def _write(self, number: int) -> None:
        text = Remembered(number=number, at=model.utc_now()).model_dump_json().ljust(_BYTES - 1) + "\n"
        try:
            in_a_thread(partial(_write_through, self._path, text.encode()))
        except OSError as error:
            raise errors.StateDirUnavailable(f"{self._path} cannot be written: {error.strerror}") from error


class SeenChanges:
    """Collects change numbers and writes the highest that cannot be lost any more.

    Args:
        confirmed: asks Redis for the last change that no failover can lose.
    """

    def __init__(self, memory: ChangeMemory, durability: Durability, confirmed: Callable[[], int]) -> None:
        self._memory = memory
        self._durability = durability
        self._confirmed = confirmed
        # Requests add while the timer's thread takes away.
        self._lock = Lock()
        self._pending: deque[tuple[int, float]] = deque(maxlen=_MOST_PENDING)
        self._newest = 0
        self._timer: Timer | None = None
        self.alarm = outages.Alarm(
            "api", "changes cannot be remembered: no power is switched meanwhile", "changes are remembered again"
        )

    def add(self, number: int) -> None:
        """Redis has confirmed this change; it is on disk soon."""
        with self._lock:
            if number <= self._newest:
                return
            self._newest = number
            self._pending.append((number, time.monotonic()))
            self._schedule()

    def secure(self, number: int) -> None:
        """Return when this change, which Redis has just confirmed, cannot be lost any more and is on disk.

        Raises:
            TransientError: it may be lost; nothing may rest on it.
        """
        if self._durability.await_settled(time.monotonic()) and self._confirmed() < number:
            raise errors.RedisUnavailable("Redis has lost a change that was not on its disk yet")
        self._memory.raise_to(number)

    def _schedule(self) -> None:
        """One timer at a time, and none while there is nothing to write: no thread has to outlive a fork."""
        if self._timer is None and self._pending:
            self._timer = Timer(FLUSH_S, self._flush)
            # It must not keep a process from ending: what it would write is in Redis, and read again at the next start.
            self._timer.daemon = True
            self._timer.start()

    def _flush(self) -> None:
        try:
            if number := self._settled():
                self._remember(number)
            self.alarm.clear()
        except errors.StateDirUnavailable as error:
            self.alarm.report(str(error))
        # Whether it is settled cannot be asked now: the next flush asks again.
        except (errors.RedisUnavailable, errors.PermanentError):
            pass
        finally:
            with self._lock:
                self._timer = None
                self._schedule()

    def _remember(self, number: int) -> None:
        """Others' changes, which we have only read, may not be on a replica; and a failover may have lost them."""
        # Never more than Redis has: a memory ahead of it would withhold every machine.
        confirmed = min(number, self._confirmed())
        self._memory.raise_to(confirmed)
        self._drop_up_to(number)
        if confirmed < number:
            with self._lock:
                self._newest = confirmed  # the numbers above it are given again

    def _settled(self) -> int:
        """The highest number that cannot be lost any more; 0: there is none."""
        with self._lock:
            pending = tuple(self._pending)
        return max((number for number, seen_at in pending if self._durability.is_settled(seen_at)), default=0)

    def _drop_up_to(self, number: int) -> None:
        with self._lock:
            self._pending = deque((one for one in self._pending if one[0] > number), maxlen=_MOST_PENDING)


def _write_through(path: Path, content: bytes) -> None:
    """Write a file; it is on disk when this returns. The first time, and after an older build, as a new file."""
    try:
        # O_DSYNC: one write instead of four, and no new name that must come to the disk, too.
        descriptor = os.open(path, os.O_WRONLY | os.O_DSYNC | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        files.write_atomically(path, content, sole_writer=True)
        return
    try:
        in_place = os.fstat(descriptor).st_size == len(content)
        if in_place:
            os.pwrite(descriptor, content, 0)
    finally:
        os.close(descriptor)
    if not in_place:
        files.write_atomically(path, content, sole_writer=True)
