"""What was read or made a moment ago: many people who look at the same cost what one costs."""

import time
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Generic, TypeVar

_Made = TypeVar("_Made")


class Recent(Generic[_Made]):
    """What is costly to make, for a while, by its key.

    Args:
        fresh_s: seconds until it is made anew.
        most: that are kept; one more forgets the one that was made first.
        clock: monotonic seconds.
    """

    def __init__(self, fresh_s: float, most: int = 1, clock: Callable[[], float] = time.monotonic) -> None:
        self._fresh_s = fresh_s
        self._most = most
        self._clock = clock
        self._made: OrderedDict[object, tuple[float, _Made]] = OrderedDict()
        self._lock = Lock()  # without it two requests could drop the same oldest one

    def get(self, key: object, make: Callable[[], _Made]) -> _Made:
        """What ``make`` made for ``key`` a while ago, or else makes now. Raises what it raises."""
        found = self._made.get(key)
        if found and self._clock() - found[0] < self._fresh_s:
            return found[1]
        made = make()
        self.put(key, made)
        return made

    def last(self, key: object) -> _Made | None:
        """What was made for ``key`` last, however long ago; None: it is not kept."""
        found = self._made.get(key)
        return found[1] if found else None

    def put(self, key: object, made: _Made) -> None:
        """Take ``made`` for what is there now."""
        with self._lock:
            self._made[key] = (self._clock(), made)
            self._made.move_to_end(key)
            if len(self._made) > self._most:
                self._made.popitem(last=False)
