"""What was read, made or shown a moment ago: many viewers of one thing cost what one viewer costs."""

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
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


# Pages that are remembered: 50 people with a few tabs each, and as many that they have left. Equal pages are one, and
# each is some 10 kB.
_MOST_PAGES = 500
_ID_BYTES = 8


class ShownPages:
    """The machines of each page by its id, with the group that each is in."""

    def __init__(self) -> None:
        self._pages: OrderedDict[str, Mapping[str, str]] = OrderedDict()
        self._lock = Lock()  # without it two requests could drop the same oldest page

    def remember(self, groups: Mapping[str, str]) -> str:
        """The id of a page that shows the machines of ``groups``, each in its group."""
        text = "\0".join(f"{name}\0{group}" for name, group in groups.items())
        key = hashlib.blake2s(text.encode(), digest_size=_ID_BYTES).hexdigest()
        with self._lock:
            self._pages[key] = groups
            self._pages.move_to_end(key)
            if len(self._pages) > _MOST_PAGES:
                self._pages.popitem(last=False)
        return key

    def get(self, key: str) -> Mapping[str, str] | None:
        """The groups by machine; None: it is forgotten, and must be loaded again."""
        return self._pages.get(key)
