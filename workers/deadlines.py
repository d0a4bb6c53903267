"""Ends jobs that take longer than they may: one look at all threads now and then, instead of a timer for each job.

rq's timers are threads, one a job: starting one took a third of the time that a short job costs.
"""

import ctypes
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from rq.timeouts import BaseDeathPenalty


class _Due(NamedTuple):
    at: float
    error: type[BaseException]


class Deadlines:
    """The deadlines of the jobs of one process, which calls `enforce` now and then.

    Args:
        clock: in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._due: dict[int, _Due] = {}
        # Jobs have one or two timeouts, and to make a class takes longer than all else here.
        self._errors: dict[tuple[float, type[BaseException]], type[BaseException]] = {}
        # Without it a job that ends right now would be cancelled and raised at once: the error would hit the next job.
        self._lock = threading.Lock()

    def penalty(self, timeout: float, exception: type[BaseException], **_: Any) -> BaseDeathPenalty:
        """What rq enters for a job: the thread that enters it gets ``exception`` after ``timeout`` seconds.

        Args:
            timeout: in seconds; 0 or less: there is no deadline.
            exception: a class, made without arguments.
        """
        return _Penalty(self, timeout, exception)

    def set(self, timeout: float, exception: type[BaseException]) -> None:
        """Give the calling thread a deadline."""
        with self._lock:
            if (timeout, exception) not in self._errors:
                self._errors[timeout, exception] = _worded(timeout, exception)
            self._due[threading.get_ident()] = _Due(self._clock() + timeout, self._errors[timeout, exception])

    def cancel(self) -> None:
        """The calling thread has none any more."""
        with self._lock:
            self._due.pop(threading.get_ident(), None)

    def enforce(self) -> None:
        """Raise the error in every thread whose deadline has passed."""
        with self._lock:
            now = self._clock()
            for thread in [thread for thread, due in self._due.items() if due.at <= now]:
                _raise_in(thread, self._due.pop(thread).error)


class _Penalty(BaseDeathPenalty):
    def __init__(self, deadlines: Deadlines, timeout: float, exception: type[BaseException]) -> None:
        super().__init__(timeout, exception)  # type: ignore[no-untyped-call]
        self._deadlines = deadlines

    def setup_death_penalty(self) -> None:
        if self._timeout > 0:
            self._deadlines.set(self._timeout, self._exception)

    def cancel_death_penalty(self) -> None:
        self._deadlines.cancel()


def _worded(timeout: float, exception: type[BaseException]) -> type[BaseException]:
    """A class that needs no arguments: only a class can be raised in another thread."""

    class DeadlinePassed(exception):  # type: ignore[misc, valid-type]
        def __init__(self) -> None:
            super().__init__(f"the job took longer than the {timeout:.0f} s that it may take")

    return DeadlinePassed


def _raise_in(thread: int, error: type[BaseException]) -> None:
    """Source: PyThreadState_SetAsyncExc(), https://docs.python.org/3/c-api/init.html."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(error))
