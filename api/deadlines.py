"""Threads of the API that nobody can hold: a deadline for every header, body and answer."""

import contextlib
import socket
import threading
import time
from functools import partial
from typing import Any

from gunicorn.workers.gthread import TConn, ThreadWorker

_LEAST_BYTES_PER_S = 256 * 1024  # a body that comes slower is cut off
_LINGER_S = 0.3
_DRAIN_BYTES = 64 * 1024


class DeadlineWorker(ThreadWorker):
    """gthread waits for ever for the rest of a request header, so that a few silent clients stop the service.

    This cuts off a connection whose header is not complete, or whose request is not answered, in time.
    """

    header_timeout_s: float = 10
    work_s: float = 20  # for what the request asks, once its body is there

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._deadlines: dict[TConn, float] = {}
        self._serving = threading.local()

    def handle(self, conn: TConn) -> Any:
        """Serve one request, against the clock."""
        self._deadlines[conn] = time.monotonic() + self.header_timeout_s
        try:
            keep = super().handle(conn)
        finally:
            self._deadlines.pop(conn, None)
        if not keep:
            _linger(conn)
        return keep

    def handle_request(self, req: Any, conn: TConn) -> Any:
        """The header is there; what is left has its own time."""
        self._deadlines[conn] = time.monotonic() + self.header_timeout_s + _body_s(req) + self.work_s
        self._serving.conn = conn
        return super().handle_request(req, conn)

    def load_wsgi(self) -> None:
        """The application may ask for more time: what it sends is large, and the other side takes it."""
        super().load_wsgi()
        app = self.wsgi

        def with_more_time(environ: Any, start_response: Any) -> Any:
            environ["bringup.more_time"] = partial(self._give_time, self._serving.conn)
            return app(environ, start_response)

        self.wsgi = with_more_time

    def _give_time(self, conn: TConn, seconds: float) -> None:
        if conn in self._deadlines:  # else it was cut off already
            self._deadlines[conn] = time.monotonic() + seconds

    def murder_pending(self) -> None:
        """Called once a second by the worker's loop."""
        super().murder_pending()
        now = time.monotonic()
        for conn, deadline in list(self._deadlines.items()):
            if now > deadline:
                self._deadlines.pop(conn, None)
                _cut_off(conn)


def _body_s(req: Any) -> float:
    """How long the announced body may take; a chunked one announces nothing."""
    length = next((value for name, value in req.headers if name == "CONTENT-LENGTH"), "0")
    return int(length) / _LEAST_BYTES_PER_S if length.isdigit() else 0


def _linger(conn: TConn) -> None:
    """Let the last answer arrive, briefly. gunicorn would wait two seconds for each, in the thread that accepts.

    gunicorn closes the socket itself, and counts it; shut both ways, it has nothing to wait for.
    """
    with contextlib.suppress(OSError):
        conn.sock.shutdown(socket.SHUT_WR)
        conn.sock.settimeout(_LINGER_S)
        conn.sock.recv(_DRAIN_BYTES)
    _cut_off(conn)


def _cut_off(conn: TConn) -> None:
    """Ends the blocking read in the worker's thread, which then closes the socket itself."""
    with contextlib.suppress(OSError):
        conn.sock.shutdown(socket.SHUT_RDWR)
