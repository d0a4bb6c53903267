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

from api.state.run_secrets import ImageRecords
from api.state.store import RunStore
from bringup import errors, log
from bringup.wire.machine import AREA_SIZE

# Connections that read one image. A BMC has one or two; a broken one that opens connection after connection would
# otherwise take the places of all others.
MOST_OF_ONE = 4
# What the other side must take within API_STALL_TIMEOUT_S: 64 KiB, a BMC of 4 KiB a second still does.
CHUNK_BYTES = 64 * 1024
# Between two looks at the run's state: so long may a reader go on after the end of its run.
ASK_EVERY_S = 5.0
# Of one reader between two counts in Redis: an image of 500 MiB costs some 120 of them.
_REPORT_EVERY_BYTES = 4 * 1024**2
# At most 18 digits: more would be no size of a file, and int() of a long text takes quadratic time.
_ONE_RANGE = re.compile(r"bytes=[ \t]*([0-9]{0,18})-([0-9]{0,18})[ \t]*", re.ASCII | re.IGNORECASE)
# What is sent, piece by piece; called with start and stop of what was taken; called at each sign of progress.
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


class Concurrency:
    """Counts the responses with bytes of an image that this process is sending."""

    def __init__(self) -> None:
        # Without it two requests at once could both take the last place.
        self._lock = Lock()
        self._now: Counter[str] = Counter()

    def begin(self, image: str) -> bool:
        """One more reads ``image``; False: it has too many readers already."""
        with self._lock:
            may = self._now[image] < MOST_OF_ONE
            self._now[image] += may
            return may

    def end(self, image: str) -> None:
        """One of the readers has everything, or has closed its connection."""
        with self._lock:
            self._now[image] -= 1
            self._now += Counter()  # removes images without readers


class CountedBody:
    """The bytes of one response. ``ended`` is called once, also when the client never took the first byte."""

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
        reader: address of the client, for people.
        has_parameters: it is given the run's parameters.
    """

    records: ImageRecords
    store: RunStore
    run_id: str
    area_at: int
    reader: str
    has_parameters: bool

    def delivered(self, start: int, stop: int) -> None:
        """The bytes from ``start`` up to ``stop`` were taken. What cannot be counted is served all the same."""
        try:
            self._count(start, stop)
        # A machine that boots is worth more than a count.
        except errors.BringupError as error:
            log.get("api").warning("what was read of an image is not counted", run_id=self.run_id, why=str(error))

    def _count(self, start: int, stop: int) -> None:
        if not self.has_parameters:
            self._note_other()
            return
        parameters = start < self.area_at + AREA_SIZE and stop > self.area_at
        if self.records.count_read(self.run_id, stop - start, parameters=parameters):
            self._note("image_read", f"{self.reader} has read the image with the run's parameters")

    def _note_other(self) -> None:
        """Once for an image: it counts for nothing, and must not fill the timeline."""
        if self.records.note_other(self.run_id, self.reader):
            detail = f"{self.reader} has read the image without the run's parameters: it is not the BMC's address"
            self._note("image_read_by_other", detail)

    def _note(self, what: str, detail: str) -> None:
        self.store.note(self.run_id, what, detail)


def send_in_small_parts(connection: socket.socket) -> None:
    """Let the kernel buffer little.

    It would buffer megabytes, and take more only when a third is sent: a slow reader would seem to have stopped.
    """
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * CHUNK_BYTES)


def deliver(image: RawIOBase, span: range, delivered: Delivered, progress: Progress) -> Content:
    """The bytes of ``span``.

    Args:
        image: seekable.
        span: of bytes.
        delivered: called with start and stop of each piece that the other side has taken.
        progress: called whenever the other side has taken another chunk; the next one has time of its own.
    """
    image.seek(span.start)
    reported = position = span.start
    try:
        while position < span.stop:
            chunk = _read(image, min(CHUNK_BYTES, span.stop - position))
            # Before the chunk is handed over: the time limit is for this chunk, not for the whole image.
            progress()
            yield chunk
            position += len(chunk)
            if position - reported >= _REPORT_EVERY_BYTES:
                delivered(reported, position)
                reported = position
    finally:
        if position > reported:
            delivered(reported, position)


def while_it_lives(content: Content, lives: Callable[[], bool], clock: Callable[[], float] = time.monotonic) -> Content:
    """``content`` as long as the image lives: a slow reader must not read on when its run has ended.

    Args:
        lives: asks Redis.
        clock: monotonic seconds.

    Raises:
        ConnectionResetError: the image lives no more.
    """
    asked = clock()
    with closing(content):
        for chunk in content:
            if clock() - asked >= ASK_EVERY_S:
                if not lives():
                    raise ConnectionResetError(errno.ECONNRESET, "the run has ended")
                asked = clock()
            yield chunk


def _read(image: RawIOBase, count: int) -> bytes:
    """At most ``count`` bytes.

    Raises:
        ConnectionResetError: there are none; the header has promised them, so that only the end of the connection
            shows the client that something is missing.
    """
    try:
        chunk = image.read(count)
    except OSError as error:
        log.get("api").error("an image cannot be read any more: its connection is closed", why=str(error))
        raise ConnectionResetError(errno.ECONNRESET, "the image changed") from None
    if not chunk:
        raise ConnectionResetError(errno.ECONNRESET, "the image ended early")
    return chunk
