"""How many requests are worked on at the same time; whoever waits for a client's bytes is not one of them."""

import io
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from threading import BoundedSemaphore
from typing import TYPE_CHECKING, Any

from api.blocking import SLOT_GIVEN_BACK
from api.server.connections import Client, Clients

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

# A body that comes more slowly is cut off: 2 Mbit/s is less than any network that boots machines.
_LEAST_BYTES_PER_S = 256 * 1024
_CHUNKED_BYTES = 16 * 1024**2  # a chunked body announces no length; none may be larger than this


class WorkSlots:
    """Passes requests on to ``app``, so many at a time. Each slot needs at most one connection to Redis.

    A request gives its slot back while it reads its body or waits for Redis's disk, and once the application has
    answered: sending the answer takes as long as the client takes.

    Args:
        most: requests that ``app`` works on at the same time.
        header_s: a body has so many seconds, and more by its size.
        stall_s: an answer, or the next piece of one that reports progress, must be taken in so many seconds.
    """

    def __init__(self, app: "WSGIApplication", clients: Clients, *, most: int, header_s: float, stall_s: float) -> None:
        self._app = app
        self._clients = clients
        self._slots = BoundedSemaphore(most)
        self._header_s = header_s
        self._stall_s = stall_s

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """One request. Source: PEP 3333."""
        client = self._clients.of(environ["gunicorn.socket"].fileno())
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
    def _reading(self, client: Client, deadline: float) -> Iterator[None]:
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
