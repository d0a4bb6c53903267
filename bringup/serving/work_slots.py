"""How many requests are worked on at the same time. A client whose bytes we wait for holds none of these slots.

A request whose body has not begun is not worked on at all; one that is gives its slot back while it waits.
"""

import io
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import gevent
from gevent.lock import BoundedSemaphore
from gunicorn.http.errors import ParseException
from werkzeug.wsgi import ClosingIterator

from bringup.backoff import between
from bringup.serving.connections import ClientConnection, ClientConnections

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

SLOT_GIVEN_BACK = "bringup.slot_given_back"  # in the WSGI environment: see `api.blocking`
# A body that comes more slowly is cut off: 2 Mbit/s is less than any network that boots machines.
_LEAST_BYTES_PER_S = 256 * 1024
# A chunked body announces no length: it has the time of the largest one.
_CHUNKED_BYTES = 16 * 1024**2
# Most bodies are whole with this. A larger one has shown that it comes; and no more of a stranger is kept in memory.
_FIRST_BYTES = 16 * 1024
# Of a refused body that is read and discarded: the largest that any call takes.
_MOST_BYTES = 16 * 1024**2


class WorkSlots:
    """Passes requests on to ``app``, so many at a time. Each slot needs at most one connection to Redis.

    A request gives its slot back while it reads its body or waits for Redis's disk, and once the application has
    returned: sending takes as long as the client takes.

    Args:
        most: requests that ``app`` works on at the same time.
        header_s: a body has so many seconds, and more by its size.
        stall_s: a response, or the next piece of one that reports progress, must be taken in so many seconds.
    """

    def __init__(
        self, app: "WSGIApplication", clients: ClientConnections, *, most: int, header_s: float, stall_s: float
    ) -> None:
        self._app = app
        self._clients = clients
        # Bounded, so that a slot that is given back twice is an error and not one request more than most.
        self._slots = BoundedSemaphore(most)
        self._header_s = header_s
        self._stall_s = stall_s

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """One request. Source: PEP 3333."""
        # The client is looked up by its socket: an address may have many connections.
        client = self._clients.of(environ["gunicorn.socket"].fileno())
        # One deadline for the whole body: a byte a second must not extend it.
        deadline = time.monotonic() + self._header_s + _body_bytes(environ) / _LEAST_BYTES_PER_S
        environ["wsgi.input"] = _Body(environ["wsgi.input"], partial(self._reading, client, deadline))
        environ[SLOT_GIVEN_BACK] = self._given_back
        environ["bringup.progress"] = partial(self._clients.expect, client, self._stall_s)
        self._clients.at_work(client)
        try:
            with self._slots:
                return self._app(environ, start_response)
        finally:
            self._clients.expect(client, self._stall_s)

    @contextmanager
    def _reading(self, client: ClientConnection, deadline: float) -> Iterator[None]:
        with self._given_back():
            self._clients.expect(client, deadline - time.monotonic())
            try:
                yield
            finally:
                self._clients.at_work(client)

    @contextmanager
    def _given_back(self) -> Iterator[None]:
        self._slots.release()
        try:
            yield
        finally:
            self._slots.acquire()


def after_its_body(app: "WSGIApplication", seconds: float) -> "WSGIApplication":
    """``app``, called when a request's body is there, or the first piece of a large one.

    A client that announces a body and sends it byte by byte makes no work until then, and is refused later: refused
    at once, it would be back at once. A refusal of a body that is under way waits for it, so that its sender reads a
    response instead of a reset; and it closes the connection, which gunicorn would not do by itself.

    Args:
        seconds: what has not come by then is passed on, too.
    """

    def respond(environ: "WSGIEnvironment", start_response: Any) -> Iterable[bytes]:
        response = start_response.__self__

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            if ("Connection", "close") in headers:
                response.force_close()
            return start_response(status, headers, exc_info)

        if not _announces_body(environ):
            return app(environ, start)
        deadline = time.monotonic() + between(seconds / 2, seconds)  # spread, as all our limits for clients
        body = environ["wsgi.input"] = ArrivingBody(environ["wsgi.input"])
        body.await_first(deadline)
        parts = app(environ, start)
        if not body.has_begun:
            # The client closes, or its time to take the response ends. Closed by us, it would be back at once.
            response.force_close()
            return ClosingIterator(parts, [partial(_discard, body), body.close])
        if response.should_close():
            gevent.with_timeout(max(0.001, deadline - time.monotonic()), _discard, body, timeout_value=None)
        return ClosingIterator(parts, body.close)

    return respond


class ArrivingBody(io.RawIOBase):
    """A request's body. Its first piece is read in a greenlet of its own: a time limit then loses no byte of it."""

    def __init__(self, stream: Any) -> None:
        super().__init__()
        self._stream = stream
        self._first = gevent.spawn(self._read, _FIRST_BYTES)
        self._buffer: bytes | None = None

    @property
    def has_begun(self) -> bool:
        """Whether the first piece is there."""
        return self._first.ready()

    def await_first(self, deadline: float) -> None:
        """Wait for the first piece, until ``deadline`` (monotonic clock, s)."""
        self._first.join(max(0.0, deadline - time.monotonic()))

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """Source: PEP 3333, Input and Error Streams. Raises what reading raised."""
        if self._buffer is None:
            self._buffer = _given(self._first.get())
        piece = self._buffer[: len(buffer)]
        self._buffer = self._buffer[len(piece) :]
        piece = piece or _given(self._read(len(buffer)))
        buffer[: len(piece)] = piece
        return len(piece)

    def close(self) -> None:
        """The rest is not read."""
        self._first.kill()
        super().close()

    def _read(self, size: int) -> bytes | Exception:
        """Errors are handed on: gevent would print those of a greenlet."""
        try:
            return bytes(self._stream.read(size))
        except (OSError, ParseException) as error:
            return error


class _Body(io.RawIOBase):
    """A request's body. Source: PEP 3333, Input and Error Streams."""

    def __init__(self, stream: Any, reading: Callable[[], AbstractContextManager[None]]) -> None:
        super().__init__()
        self._stream = stream
        self._reading = reading

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """The next bytes, when they have come."""
        with self._reading():
            piece = self._stream.read(len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)


def _body_bytes(environ: "WSGIEnvironment") -> int:
    length = str(environ.get("CONTENT_LENGTH", ""))
    return int(length) if length.isdigit() else _CHUNKED_BYTES * ("HTTP_TRANSFER_ENCODING" in environ)


def _given(read: bytes | Exception) -> bytes:
    if isinstance(read, Exception):
        raise read
    return read


def _announces_body(environ: "WSGIEnvironment") -> bool:
    return environ.get("CONTENT_LENGTH", "0") not in {"", "0"} or "HTTP_TRANSFER_ENCODING" in environ


def _discard(body: ArrivingBody) -> None:
    left = _MOST_BYTES
    with suppress(OSError, ParseException):
        while left > 0 and (piece := body.read(_FIRST_BYTES)):
            left -= len(piece)
