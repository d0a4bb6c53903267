"""Remembers on disk the changes that this process sees: in the background, or at once where power depends on it."""

import time
from collections import deque
from collections.abc import Callable
from threading import Lock, Timer

from api.state.change_memory import ChangeMemory
from api.state.durability import Durability
from bringup import log
from bringup.errors import PermanentError, RedisUnavailable, StateDirUnavailable

FLUSH_S = 0.5  # the memory is never more than a second behind what cannot be lost
_MOST_PENDING = 10_000  # while nothing can be remembered; to drop the oldest only delays


class SeenChanges:
    """Collects change numbers and writes the highest that cannot be lost any more.

    Args:
        confirmed: asks Redis for the last change that no failover can lose.
    """

    def __init__(self, memory: ChangeMemory, durability: Durability, confirmed: Callable[[], int]) -> None:
        self._memory = memory
        self._durability = durability
        self._confirmed = confirmed
        self._lock = Lock()
        self._pending: deque[tuple[int, float]] = deque(maxlen=_MOST_PENDING)
        self._newest = 0
        self._timer: Timer | None = None
        self.problem: str | None = None  # why nothing can be remembered now

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
            TransientError: it is not; nothing may rest on it.
        """
        if self._durability.await_settled(time.monotonic()) and self._confirmed() < number:
            raise RedisUnavailable("Redis has lost a change that was not on its disk yet")
        self._memory.raise_to(number)

    def _schedule(self) -> None:
        """One timer at a time, and none while there is nothing to write: no thread has to outlive a fork."""
        if self._timer is None and self._pending:
            self._timer = Timer(FLUSH_S, self._flush)
            self._timer.daemon = True
            self._timer.start()

    def _flush(self) -> None:
        try:
            if number := self._settled():
                self._remember(number)
            self._log(None)
        except StateDirUnavailable as error:
            self._log(str(error))
        except (RedisUnavailable, PermanentError):
            pass  # whether it is settled cannot be asked now: the next flush asks again
        finally:
            with self._lock:
                self._timer = None
                self._schedule()

    def _remember(self, number: int) -> None:
        """Others' changes, which we have only read, may not be on a replica; and a failover may have lost them."""
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

    def _log(self, problem: str | None) -> None:
        """Once when it begins and once when it is over."""
        if problem and not self.problem:
            log.get("api").error("changes cannot be remembered: no power is switched meanwhile", why=problem)
        elif self.problem and not problem:
            log.get("api").info("changes are remembered again")
        self.problem = problem
