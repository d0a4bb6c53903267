"""Connections to one HTTP server that are kept between calls, each reply read within a deadline (RFC 9112).

Python's own http.client makes them (ADR 15).
"""

import http.client
import io
import socket
import time
from collections.abc import Callable, Mapping
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote, urlsplit

from bringup import tls
from bringup.connections import http_reply

if TYPE_CHECKING:
    import ssl

ContextNow = Callable[[], "ssl.SSLContext"]
# What stays as it is in an address (RFC 3986 s.2): all else, such as a space in the name of a device, is escaped.
_AS_IT_IS = "!$%&'()*+,/:;=?@[]~"
# Linux has it; elsewhere a call to a host that is gone ends after API_TIMEOUT_S.
_TCP_USER_TIMEOUT = getattr(socket, "TCP_USER_TIMEOUT", None)
# A whole reply may take this many times as long as one wait within it: enough for the list of 100,000 devices over a
# slow line. A server that sends a byte now and then would hold our thread without end.
_WHOLE_REPLY = 2


class HttpPool:
    """Connections to the server of ``base``. Threads may share it; each call has a connection of its own.

    Args:
        base: ``http://host:port/path`` or ``https://...``.
        context_now: for HTTPS: of the certificate files as they are now; connections made with earlier ones end.
        connect_s: seconds for connecting, and for the handshake.
        answer_s: seconds until a reply begins, and between two parts of it; a whole one may take twice as long.
        most_idle: connections that are kept.

    Raises:
        SettingsError: from `exchange` and from this, for certificate files that are not usable.
    """

    def __init__(
        self, base: str, *, context_now: ContextNow | None, connect_s: float, answer_s: float, most_idle: int
    ) -> None:
        parts = urlsplit(base)
        self._host, self._port, self._path = parts.hostname or "", parts.port, parts.path
        self._context_now = context_now
        self._connect_s, self._answer_s, self._most_idle = connect_s, answer_s, most_idle
        self._context = context_now() if context_now else None
        self._idle: list[_Connection] = []
        # Without it a call that began with the earlier files could put its connection back after those were ended.
        self._lock = Lock()

    def exchange(self, method: str, path: str, data: bytes | None, headers: Mapping[str, str]) -> http_reply.HttpReply:
        """The reply to one request. Where the connection breaks it is sent once more: it must be safe to repeat.

        Args:
            method: of HTTP.
            path: below the base, with a slash at its start.
            data: the body; None: there is none.
            headers: besides Host and Content-Length.

        Raises:
            OSError: no connection, no TLS, or no reply in time.
            http.client.HTTPException: the reply is no HTTP.
            ReplyTooLargeError: it was not read to its end.
        """
        address = quote(self._path + path, safe=_AS_IT_IS)
        kept = self._kept()
        try:
            return self._try(kept or self._connect(), method, address, data, headers)
        except (OSError, http.client.HTTPException) as error:
            if not _is_broken(error, was_kept=kept is not None):
                raise
        # A server ends a connection that was idle for long, or that it accepted before its restart.
        return self._try(self._connect(), method, address, data, headers)

    def _try(
        self, connection: "_Connection", method: str, address: str, data: bytes | None, headers: Mapping[str, str]
    ) -> http_reply.HttpReply:
        try:
            connection.begin(self._answer_s)
            connection.request(method, address, body=data, headers=dict(headers))
            with connection.getresponse() as response:
                reply = http_reply.read(response)
        except BaseException:
            connection.close()
            raise
        self._keep(connection)
        return reply

    def _kept(self) -> "_Connection | None":
        """A connection that is open, and of the files as they are now; None: there is none."""
        context = self._context_now() if self._context_now else None
        with self._lock:
            if context is not self._context:
                self._context = context
                while self._idle:
                    self._idle.pop().close()
            while self._idle:
                connection = self._idle.pop()
                if connection.sock is not None and tls.is_idle(connection.sock):
                    return connection
                connection.close()
        return None

    def _connect(self) -> "_Connection":
        made = _Connection(self._host, self._port, self._context)
        made.open(self._connect_s)
        return made

    def _keep(self, connection: "_Connection") -> None:
        with self._lock:
            is_ours = connection.context is self._context and len(self._idle) < self._most_idle
            if connection.sock is not None and is_ours:
                self._idle.append(connection)
                return
        connection.close()


class _Connection(http.client.HTTPConnection):
    """One connection; ``context``: that it was made with, None for plain HTTP."""

    def __init__(self, host: str, port: int | None, context: "ssl.SSLContext | None") -> None:
        super().__init__(host, port)
        self.context = context

    def open(self, connect_s: float) -> None:
        """Connect within so many seconds for TCP, and as many for TLS. Raises OSError."""
        self.timeout = connect_s
        self.connect()
        # A host that has lost its power ends no connection: without this a call that was under way then would wait for
        # all of API_TIMEOUT_S. Source: RFC 5482, tcp(7).
        if _TCP_USER_TIMEOUT:
            self.sock.setsockopt(socket.IPPROTO_TCP, _TCP_USER_TIMEOUT, int(connect_s * 1000))
        if self.context is not None:
            try:
                self.sock = self.context.wrap_socket(self.sock, server_hostname=self.host)
            except BaseException:
                self.close()
                raise

    def begin(self, answer_s: float) -> None:
        """Start the clock of one call: seconds for each wait in it."""
        self.sock.settimeout(answer_s)
        until = time.monotonic() + _WHOLE_REPLY * answer_s
        timed = partial(_response, answer_s=answer_s, until=until)
        self.response_class = cast("type[http.client.HTTPResponse]", timed)  # http.client does nothing but call it


class _TimedReads(io.RawIOBase):
    """What a socket receives, up to a deadline: its own timeout begins anew with each byte.

    Args:
        connection: whose timeout is set.
        answer_s: seconds for one wait.
        until: the deadline, by the monotonic clock.
    """

    def __init__(self, connection: socket.socket, answer_s: float, until: float) -> None:
        self._connection, self._answer_s, self._until = connection, answer_s, until
        # It keeps the socket open for as long as it is read, also where http.client has closed the connection.
        self._raw = connection.makefile("rb", buffering=0)

    def readable(self) -> bool:
        """As in io."""
        return True

    def readinto(self, buffer: Any, /) -> int | None:
        """As in io. Raises TimeoutError."""
        left_s = self._until - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("its reply did not end in time")
        self._connection.settimeout(min(left_s, self._answer_s))
        return self._raw.readinto(buffer)

    def close(self) -> None:
        """As in io."""
        self._raw.close()
        super().close()


def _response(connection: socket.socket, *, answer_s: float, until: float, **options: Any) -> http.client.HTTPResponse:
    response = http.client.HTTPResponse(connection, **options)
    response.fp.close()
    response.fp = io.BufferedReader(_TimedReads(connection, answer_s, until))
    return response


def _is_broken(error: Exception, *, was_kept: bool) -> bool:
    """Whether a new connection may do better at once; one that waited long for nothing may not."""
    if isinstance(error, TimeoutError | ConnectionRefusedError):
        return False
    return was_kept or isinstance(error, ConnectionError)
