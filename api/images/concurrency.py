"""Who reads images now: a broken BMC that opens connection after connection must leave places for all others."""

from collections import Counter
from collections.abc import Callable, Generator, Iterator
from threading import Lock

MOST_OF_ONE = 4  # connections that read one image; a BMC has one or two


class Readers:
    """Counts the answers with bytes of an image that this process is sending."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._now: Counter[str] = Counter()

    def begin(self, image: str) -> bool:
        """One more reads ``image``; or False: it has too many already."""
        with self._lock:
            may = self._now[image] < MOST_OF_ONE
            self._now[image] += may
            return may

    def end(self, image: str) -> None:
        """One of them has all, or is gone."""
        with self._lock:
            self._now[image] -= 1
            self._now += Counter()  # forgets who has none


class Reading:
    """The bytes of one answer. ``ended`` is called once, also when nobody ever took the first byte."""

    def __init__(self, content: Generator[bytes, None, None], ended: Callable[[], None]) -> None:
        self._content = content
        self._ended: Callable[[], None] | None = ended

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._content
        finally:
            self.close()

    def close(self) -> None:
        """Called by every WSGI server at the end. Source: PEP 3333, Handling the start_response() Callable."""
        self._content.close()
        ended, self._ended = self._ended, None
        if ended:
            ended()
