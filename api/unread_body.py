"""Answering a request whose body nobody wanted: after the body, not into the middle of it."""

import contextlib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import gevent
from gunicorn.http.errors import ParseException

from api.jitter import up_to

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

_MOST_BYTES = 16 * 1024**2  # the largest body that any call takes
_PIECE_BYTES = 64 * 1024


def answered_after_body(app: "WSGIApplication", seconds: float) -> "WSGIApplication":
    """``app``, which refuses without reading: it says ``Connection: close``, and gunicorn would drop that.

    The refusal waits until the body has come, so that the sender reads it instead of a broken connection. A sender
    that announces a body and sends none, or drips it, waits: otherwise it would be back at once, and refusing is work.

    Args:
        seconds: a body that has not come by then is answered, too.
    """

    def answers(environ: "WSGIEnvironment", start_response: Any) -> Iterable[bytes]:
        body, response = environ["wsgi.input"], start_response.__self__

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            if ("Connection", "close") in headers:
                response.force_close()
            return start_response(status, headers, exc_info)

        answer = app(environ, start)
        if response.should_close():
            gevent.with_timeout(up_to(seconds), _discard, body, timeout_value=None)
        return answer

    return answers


def _discard(body: Any) -> None:
    left = _MOST_BYTES
    with contextlib.suppress(OSError, ParseException):
        while left > 0 and (piece := body.read(_PIECE_BYTES)):
            left -= len(piece)
