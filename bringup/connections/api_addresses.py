"""The addresses of the callback API: a call goes to the one that answered last, and if that fails to the others."""

import logging
import time
from collections.abc import Callable, Sequence
from threading import Lock
from typing import TypeVar

from bringup import errors, log

_Answer = TypeVar("_Answer")
# Seconds until the first address is tried again, at least and at most; doubled for each try that fails. A host that was
# restarted is used again within a minute, and one that stays away costs one connect timeout in ten minutes.
_RETURN_S = (30.0, 600.0)


class ApiAddresses:
    """Base URLs of one API on several hosts, for all threads of a client.

    Args:
        urls: the first is preferred; at least one.
        monotonic: a clock, in seconds.
    """

    def __init__(self, urls: Sequence[str], monotonic: Callable[[], float] = time.monotonic) -> None:
        self._urls = tuple(urls)
        self._monotonic = monotonic
        self._lock = Lock()  # two threads that return to the first address at once would both wait for it
        self._current = 0
        self._return_s = _RETURN_S[0]
        self._return_at = 0.0  # while the first address is not the current one

    @property
    def current(self) -> str:
        """The one that answered last."""
        return self._urls[self._current]

    def call(self, ask: Callable[[str], _Answer]) -> _Answer:
        """The answer of the first address that gives one. The call must be safe to repeat.

        Args:
            ask: makes the call at a base URL.

        Raises:
            ApiUnavailable: none answers; it names each.
            ApiRejected: one refuses, which the others would, too.
        """
        failures: list[errors.ApiUnavailable] = []
        for number in self._order():
            try:
                answer = ask(self._urls[number])
            except errors.ApiUnavailable as error:
                failures.append(error)
                continue
            except errors.ApiRejected:
                self._answered(number, failures)
                raise
            self._answered(number, failures)
            return answer
        if len(failures) == 1:
            raise failures[0]
        waits = [error.retry_in_s for error in failures if error.retry_in_s is not None]
        raise errors.ApiUnavailable("; ".join(map(str, failures)), retry_in_s=min(waits, default=None))

    def _order(self) -> list[int]:
        with self._lock:
            start = self._current
            if start and self._monotonic() >= self._return_at:
                start = 0
                self._return_s = min(2 * self._return_s, _RETURN_S[1])
                self._return_at = self._monotonic() + self._return_s
        rest = [number for number in range(len(self._urls)) if number != start]
        # From the first address on: should it be away still, the one that has worked is the next.
        return [start, *sorted(rest, key=lambda number: number != self._current)]

    def _answered(self, number: int, failures: Sequence[errors.ApiUnavailable]) -> None:
        with self._lock:
            if number == self._current:
                return
            self._current = number
            if number == 0:
                self._return_s = _RETURN_S[0]
            else:
                self._return_at = self._monotonic() + self._return_s
        level = logging.WARNING if failures else logging.INFO
        log.get("api").log(level, "using another address of the API", api=self.current, why=_text(failures))


def _text(failures: Sequence[errors.ApiUnavailable]) -> str:
    return "; ".join(map(str, failures)) or "the first address answers again"
