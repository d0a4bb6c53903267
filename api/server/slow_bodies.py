"""Requests whose body comes slowly, or never: no work is done for them until it has begun, or time is over."""

import contextlib
import io
import time
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

import gevent
from gunicorn.http.errors import ParseException
from werkzeug.wsgi import ClosingIterator

from api.server.connections import up_to

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

# Most bodies are whole with this. A larger one has shown that it comes; and no more of a stranger is kept in memory.
_FIRST_BYTES = 16 * 1024
_MOST_BYTES = 16 * 1024**2  # the largest body that any call takes


def after_its_body(app: "WSGIApplication", seconds: float) -> "WSGIApplication":
    """``app``, called when a request's body is there, or the first piece of a large one.

    Who announces a body and drips it makes no work until then, and is refused afterwards: a stranger who was refused
    at once would be back at once. A refusal of a body that is under way waits for it, so that its sender reads an
    answer instead of a broken connection; and it ends the connection, which gunicorn would not do by itself.

    Args:
        seconds: what has not come by then is answered, too.
    """

    def answers(environ: "WSGIEnvironment", start_response: Any) -> Iterable[bytes]:
        response = start_response.__self__

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            if ("Connection", "close") in headers:
                response.force_close()
            return start_response(status, headers, exc_info)

        if not _announces_body(environ):
            return app(environ, start)
        deadline = time.monotonic() + up_to(seconds)
        body = environ["wsgi.input"] = ArrivingBody(environ["wsgi.input"])
        body.await_first(deadline)
        answer = app(environ, start)
        if not body.has_begun:
            # The client closes, or its time to take the answer ends. Closed by us, it would be back at once.
            response.force_close()
            return ClosingIterator(answer, [partial(_discard, body), body.close])
        if response.should_close():
            gevent.with_timeout(max(0.001, deadline - time.monotonic()), _discard, body, timeout_value=None)
        return ClosingIterator(answer, body.close)

    return answers


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
        """Nobody reads on."""
        self._first.kill()
        super().close()

    def _read(self, size: int) -> bytes | Exception:
        """Errors are handed on: gevent would print those of a greenlet."""
        try:
            return bytes(self._stream.read(size))
        except (OSError, ParseException) as error:
            return error


def _given(read: bytes | Exception) -> bytes:
    if isinstance(read, Exception):
        raise read
    return read


def _announces_body(environ: "WSGIEnvironment") -> bool:
    return environ.get("CONTENT_LENGTH", "0") not in {"", "0"} or "HTTP_TRANSFER_ENCODING" in environ


def _discard(body: ArrivingBody) -> None:
    left = _MOST_BYTES
    with contextlib.suppress(OSError, ParseException):
        while left > 0 and (piece := body.read(_FIRST_BYTES)):
            left -= len(piece)
