"""Errors that nobody expected, with their traceback: all of them, but not each time a loop meets the same again."""

import time
from collections.abc import Callable
from threading import Lock

from bringup import log

_AGAIN_AFTER_S = 60.0  # 20 loops that fail without end log 20 tracebacks a minute, about 1 KB/s


class Complaints:
    """What was logged when. A loop that fails in the same way again within a minute is not logged again."""

    def __init__(self, logger: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._logger = logger
        self._clock = clock
        self._lock = Lock()
        self._again_at: dict[tuple[str, type[BaseException]], float] = {}

    def report(self, loop: str, error: BaseException) -> None:
        """``loop`` failed with ``error`` and goes on."""
        now = self._clock()
        key = (loop, type(error))
        with self._lock:
            if now < self._again_at.get(key, now):
                return
            self._again_at[key] = now + _AGAIN_AFTER_S
        log.get(self._logger).error("this loop failed and goes on", loop=loop, exc_info=error)
