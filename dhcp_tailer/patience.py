"""Waiting for a Redis that is away: as long as it takes, said once."""

import time
from collections.abc import Callable
from typing import TypeVar

from bringup import log
from bringup.errors import RedisUnavailable
from dhcp_tailer.stop import Interrupted, Stop

_Result = TypeVar("_Result")
_log = log.get(__name__)
_LOOK_S = 0.05  # how often a wait looks whether it is asked to stop


class Patience:
    """Repeats an action until Redis is there.

    Args:
        first_s: seconds before the second try; each wait is twice the one before.
        longest_s: seconds that no wait exceeds.
    """

    def __init__(
        self, stop: Stop, *, first_s: float = 0.5, longest_s: float = 5.0, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._stop = stop
        self._first_s = first_s
        self._longest_s = longest_s
        self._sleep = sleep

    def insist(self, action: Callable[[], _Result]) -> _Result:
        """The result of ``action``, which must be harmless to repeat.

        Raises:
            Interrupted: asked to stop before it succeeded; it may or may not have had its effect.
            PermanentError: waiting cannot help.
        """
        wait_s = 0.0
        while True:
            try:
                with self._stop.interruptible():
                    result = action()
            except RedisUnavailable as error:
                if not wait_s:
                    _log.warning("waiting for Redis; no lease is lost meanwhile", why=str(error))
                wait_s = min(2 * wait_s or self._first_s, self._longest_s)
                self._pause(wait_s)
            else:
                if wait_s:
                    _log.info("Redis is back")
                return result

    def _pause(self, seconds: float) -> None:
        while seconds > 0:
            if self._stop.requested:
                raise Interrupted
            self._sleep(min(seconds, _LOOK_S))
            seconds -= _LOOK_S
