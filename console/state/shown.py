"""Which machines a page in a browser shows: what a poll must know to send changed lines of that page alone."""

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from threading import Lock

# Pages that are remembered: 50 people with a few tabs each, and as many that they have left. Equal pages are one, and
# each is some 10 kB.
_MOST = 500
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
            if len(self._pages) > _MOST:
                self._pages.popitem(last=False)
        return key

    def get(self, key: str) -> Mapping[str, str] | None:
        """The groups by machine; None: it is forgotten, and must be loaded again."""
        return self._pages.get(key)
