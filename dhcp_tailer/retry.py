"""Retrying while Redis is away or takes no writes, and being interrupted in it when asked to stop."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from bringup.errors import TransientError
from bringup.outages import Outages, Service

_Result = TypeVar("_Result")
# Seconds that a call to Redis may go on after we were asked to stop: a healthy Redis answers in milliseconds.
GRACE_S = 1.0
# Seconds until the next interruption, if the alarm came between two calls.
AGAIN_S = 0.2
# Seconds between two looks at whether a wait is to stop: what a person does not notice.
_LOOK_S = 0.05
# Seconds between two probes while it is not certain that an outage is over: several within `bringup.outages.STEADY_S`.
_PROBE_EVERY_S = 1.0
# A lease needs both: a Redis that answers reads and refuses writes takes none.
_SERVICES = (Service.REDIS, Service.REDIS_WRITES)


class Interrupted(BaseException):
    """Asked to stop while waiting for Redis. No Exception: no library may take it for its own failure."""


class Stop:
    """A request to stop; a plain flag, because a lock taken in a signal handler can wait for itself."""

    def __init__(self) -> None:
        self.requested = False
        self._interruptible = False

    def request(self) -> None:
        """Ask for a stop after the record in hand."""
        self.requested = True

    def interrupt(self) -> None:
        """Ask for a stop now.

        Raises:
            Interrupted: inside an `interruptible` block.
        """
        self.requested = True
        if self._interruptible:
            raise Interrupted

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """A block that may be interrupted at any point without harm."""
        self._interruptible = True
        try:
            yield
        finally:
            self._interruptible = False


@contextmanager
def stop_on_signals() -> Iterator[Stop]:
    """A `Stop` that SIGTERM and SIGINT ask for; a call to a Redis that hangs is interrupted after `GRACE_S`."""
    stop = Stop()

    def asked(_signal: int, _frame: object) -> None:
        stop.request()
        signal.setitimer(signal.ITIMER_REAL, GRACE_S, AGAIN_S)

    def alarm(_signal: int, _frame: object) -> None:
        stop.interrupt()

    handlers = {signal.SIGTERM: asked, signal.SIGINT: asked, signal.SIGALRM: alarm}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield stop
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)


class Retry:
    """Repeats a call until Redis is there: as long as it takes.

    Without it every restart of Redis would end the tailer.

    Args:
        stop: ends the waiting.
        probe: asks whether Redis takes writes; raises what `bringup.connections.redis_client.redis_errors` raises.
        outages: logs each outage once when it begins and once when it is over.
        retry_s: seconds between two tries. One process asks, so no backoff is needed; and a new master is used at once.
        sleep: takes seconds.
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

    def call_with_retry(self, action: Callable[[], _Result]) -> _Result:
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

    def check_recovery(self) -> None:
        """After an outage: check whether Redis stays, also while there is no lease to queue.

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
