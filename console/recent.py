"""What the API answered just now: people who look at the same run cost it what one costs."""

import time
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Generic, TypeVar, cast

from pydantic import BaseModel

_Reply = TypeVar("_Reply", bound=BaseModel)
_Made = TypeVar("_Made")
# Seconds that an answer is shown to others, too: less than the 2 s between two polls of one page.
_FRESH_S = 1.0
# Answers that are kept; a report is at most 16 MiB, and a second is short.
_MOST = 50


class Recent(Generic[_Made]):
    """Something that is costly to make, for a while.

    Args:
        fresh_s: seconds until it is made anew.
        clock: monotonic seconds.
    """

    def __init__(self, fresh_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._fresh_s = fresh_s
        self._clock = clock
        self._made: tuple[float, _Made] | None = None

    def get(self, make: Callable[[], _Made]) -> _Made:
        """What ``make`` made a while ago, or else makes now."""
        if self._made is None or self._clock() - self._made[0] >= self._fresh_s:
            self._made = self._clock(), make()
        return self._made[1]


class RecentAnswers:
    """Answers by their paths. ``clock``: monotonic seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._answers: OrderedDict[str, tuple[float, BaseModel]] = OrderedDict()
        self._lock = Lock()  # without it two requests could drop the same oldest answer

    def get(self, path: str, read: Callable[[], _Reply]) -> _Reply:
        """The answer for ``path``: that of a moment ago, or else what ``read`` returns. Raises what it raises."""
        found = self._answers.get(path)
        if found and self._clock() - found[0] < _FRESH_S:
            return cast("_Reply", found[1])
        answer = read()
        with self._lock:
            self._answers[path] = (self._clock(), answer)
            self._answers.move_to_end(path)
            if len(self._answers) > _MOST:
                self._answers.popitem(last=False)
        return answer
