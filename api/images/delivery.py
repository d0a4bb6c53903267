"""Sending a run's image: which bytes are asked for, to how many at a time, how fast, and what of it was taken."""

import errno
import re
import socket
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from io import RawIOBase
from threading import Lock

from api.state.image_records import ImageRecords
from api.state.store import Store
from bringup import log
from bringup.errors import BringupError
from bringup.wire.machine import AREA_SIZE

MOST_OF_ONE = 4  # connections that read one image; a BMC has one or two
CHUNK_BYTES = 64 * 1024
ASK_EVERY_S = 5.0
_TELL_EVERY_BYTES = 4 * 1024**2
_ONE_RANGE = re.compile(r"bytes=[ \t]*([0-9]{0,18})-([0-9]{0,18})[ \t]*", re.ASCII | re.IGNORECASE)
Content = Generator[bytes, None, None]
Delivered = Callable[[int, int], None]
Progress = Callable[[], None]


def wanted(header: str, size: int) -> range | None:
    """The bytes that are asked for; empty: there are none such (416); None: the header is to be ignored.

    Args:
        header: the value of Range.
        size: of the whole file, in bytes.
    """
    match = _ONE_RANGE.fullmatch(header)
    first, last = match.groups() if match else ("", "")
    if first and last and int(last) < int(first):
        return None  # s.14.1.1: invalid
    if first:
        return range(min(int(first), size), min(int(last) + 1 if last else size, size))
    return range(max(0, size - int(last)), size) if last else None


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


@dataclass(frozen=True)
class ReadLog:
    """The reading of one image by one caller.

    Args:
        area_at: where the run's parameters begin, in bytes.
        reader: address of who reads, for people.
    """

    records: ImageRecords
    store: Store
    run_id: str
    area_at: int
    reader: str

    def delivered(self, start: int, stop: int) -> None:
        """The bytes from ``start`` until before ``stop`` were taken. What cannot be counted is served all the same."""
        try:
            self._count(start, stop)
        except BringupError as error:
            log.get("api").warning("what was read of an image is not counted", run_id=self.run_id, why=str(error))

    def _count(self, start: int, stop: int) -> None:
        parameters = start < self.area_at + AREA_SIZE and stop > self.area_at
        if self.records.count_read(self.run_id, stop - start, parameters=parameters):
            run = self.store.run(self.run_id)
            if run:
                self.store.note(run, "image_read", f"{self.reader} has read the image with the run's parameters")


def send_in_small_parts(connection: socket.socket) -> None:
    """Let the kernel take little ahead.

    It would take megabytes, and more only when a third of them is gone: who reads slowly would seem to have stopped.
    """
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * CHUNK_BYTES)


def deliver(image: RawIOBase, span: range, delivered: Delivered, progress: Progress) -> Content:
    """The bytes of ``span``.

    Args:
        delivered: told the first byte, and the one behind the last, of each piece that the other side has taken.
        progress: called whenever the other side has taken another chunk; the next one has time of its own.
    """
    image.seek(span.start)
    told = position = span.start
    try:
        while position < span.stop:
            chunk = _read(image, min(CHUNK_BYTES, span.stop - position))
            progress()
            yield chunk
            position += len(chunk)
            if position - told >= _TELL_EVERY_BYTES:
                delivered(told, position)
                told = position
    finally:
        if position > told:
            delivered(told, position)


def while_it_lives(content: Content, lives: Callable[[], bool], clock: Callable[[], float] = time.monotonic) -> Content:
    """``content`` as long as the image lives: a reader who is slow must not read on when its run has ended."""
    asked = clock()
    with closing(content):
        for chunk in content:
            if clock() - asked >= ASK_EVERY_S:
                if not lives():
                    raise ConnectionResetError(errno.ECONNRESET, "the run has ended")
                asked = clock()
            yield chunk


def _read(image: RawIOBase, count: int) -> bytes:
    """As much; or an end of the connection, for the header has promised it and nothing else may follow."""
    try:
        chunk = image.read(count)
    except OSError as error:
        log.get("api").error("an image cannot be served on: its connection is ended", why=str(error))
        raise ConnectionResetError(errno.ECONNRESET, "the image changed") from None
    if not chunk:
        raise ConnectionResetError(errno.ECONNRESET, "the image ended early")
    return chunk
