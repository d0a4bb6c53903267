"""Waiting for a Redis that is away or takes no writes: as long as it takes."""

import time
from collections.abc import Callable
from typing import TypeVar

from bringup.errors import TransientError
from bringup.outages import Outages, Service
from dhcp_tailer.stop import Interrupted, Stop

_Result = TypeVar("_Result")
_LOOK_S = 0.05  # how often a wait looks whether it is asked to stop
_PROBE_EVERY_S = 1.0  # while it is not yet certain that an outage is over
_SERVICES = (Service.REDIS, Service.REDIS_WRITES)


class Patience:
    """Repeats an action until Redis is there.

    Args:
        probe: asks whether Redis takes writes; raises what `bringup.connections.redis_client.redis_errors` raises.
        retry_s: seconds between two tries. One process asks, so no backoff is needed; and a new master is used at once.
    """

    def __init__(
        self,
        stop: Stop,
        probe: Callable[[], None],
        outages: Outages,
        *,
        retry_s: float = 0.5,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._stop = stop
        self._probe = probe
        self._outages = outages
        self._retry_s = retry_s
        self._sleep = sleep
        self._probe_at = 0.0

    def insist(self, action: Callable[[], _Result]) -> _Result:
        """The result of ``action``, which must write to Redis and be harmless to repeat.

        Raises:
            Interrupted: asked to stop before it succeeded; it may or may not have had its effect.
            PermanentError: waiting cannot help.
        """
        while True:
            try:
                return self._once(action)
            except TransientError:
                self._pause(self._retry_s)

    def settle(self) -> None:
        """After an outage: look whether Redis stays, also while there is no lease to deliver.

        Raises:
            Interrupted: asked to stop meanwhile.
            PermanentError: waiting cannot help.
        """
        if not self._outages.is_open() or self._outages.now() < self._probe_at:
            return
        self._probe_at = self._outages.now() + _PROBE_EVERY_S
        try:
            self._once(self._probe)
        except TransientError:
            return  # logged when the outage began

    def _once(self, action: Callable[[], _Result]) -> _Result:
        with self._stop.interruptible(), self._outages.watching(*_SERVICES):
            return action()

    def _pause(self, seconds: float) -> None:
        while seconds > 0:
            if self._stop.requested:
                raise Interrupted
            self._sleep(min(seconds, _LOOK_S))
            seconds -= _LOOK_S
