"""Being asked to stop: at once where that is harmless, between two records otherwise."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

GRACE_S = 1.0  # how long a call to Redis may go on after we were asked to stop
AGAIN_S = 0.2  # until the next try, if the alarm came between two calls


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
        """Ask for a stop now. Raises Interrupted inside an `interruptible` block."""
        self.requested = True
        if self._interruptible:
            raise Interrupted

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """A block that may be left at any point without harm."""
        self._interruptible = True
        try:
            yield
        finally:
            self._interruptible = False


@contextmanager
def stop_on_signals() -> Iterator[Stop]:
    """A `Stop` that SIGTERM and SIGINT ask for; a Redis that hangs is given `GRACE_S` seconds, then left."""
    stop = Stop()

    def asked(_signal: int, _frame: FrameType | None) -> None:
        stop.request()
        signal.setitimer(signal.ITIMER_REAL, GRACE_S, AGAIN_S)

    def alarm(_signal: int, _frame: FrameType | None) -> None:
        stop.interrupt()

    handlers = {signal.SIGTERM: asked, signal.SIGINT: asked, signal.SIGALRM: alarm}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield stop
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)
