"""Connections to one HTTP server that are kept between calls, each reply read within a deadline (RFC 9112).

Python's own http.client makes them (ADR 15).
"""

import http.client
import socket
import time
from collections.abc import Callable, Mapping
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote, urlsplit

from bringup import tls
from bringup.connections import http_reply
from bringup.connections.received import Received, response_of
from bringup.connections.recent_context import RecentContext

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
        self._host, self._path = parts.hostname or "", parts.path
        self._port = parts.port or (443 if context_now else 80)  # RFC 9110 s.4.2
        self._contexts = RecentContext(context_now) if context_now else None
        self._connect_s, self._answer_s, self._most_idle = connect_s, answer_s, most_idle
        self._context = self._contexts.recent() if self._contexts else None
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
            is_sent = connection.send_request(method, address, data, headers)
            with connection.getresponse() as response:
                reply = http_reply.read(response)
        except BaseException:
            connection.close()
            raise
        if is_sent and not connection.has_surplus:
            self._keep(connection)
        else:
            connection.close()
        return reply

    def _kept(self) -> "_Connection | None":
        """A connection that is open, and of the files as they were a moment ago; None: there is none."""
        context = self._contexts.recent() if self._contexts else None
        with self._lock:
            self._end_outdated(context)
            while self._idle:
                connection = self._idle.pop()
                if connection.sock is not None and tls.is_idle(connection.sock):
                    return connection
                connection.close()
        return None

    def _end_outdated(self, context: "ssl.SSLContext | None") -> None:
        """End the connections that nobody uses when the certificate files are others by now; with the lock."""
        if context is not self._context:
            self._context = context
            while self._idle:
                self._idle.pop().close()

    def _connect(self) -> "_Connection":
        context = self._contexts.fresh() if self._contexts else None
        with self._lock:
            self._end_outdated(context)
        made = _Connection(self._host, self._port, context)
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

    def __init__(self, host: str, port: int, context: "ssl.SSLContext | None") -> None:
        super().__init__(host, port)
        self.context = context
        self._received: Received | None = None
        self._held: list[bytes] | None = None  # of a request that is being made

    @property
    def has_surplus(self) -> bool:
        """Whether more has come than one reply: the rest of it would be taken for the reply to the next request."""
        return self._received is not None and self._received.has_surplus

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
        self._received = Received(self.sock, answer_s, until)
        timed = partial(response_of, self._received)
        self.response_class = cast("type[http.client.HTTPResponse]", timed)  # http.client does nothing but call it

    def send_request(self, method: str, address: str, data: bytes | None, headers: Mapping[str, str]) -> bool:
        """Whether all of it was taken. A server may refuse a body before it has read it, and close (RFC 9112 s.9.5)."""
        # As bytes: http.client ends with a traceback at a token of other letters, which the server refuses.
        encoded = {name: value.encode() for name, value in headers.items()}
        self._held = []
        self.request(method, address, body=data, headers=encoded)
        request, self._held = b"".join(self._held), None
        try:
            super().send(request)
        except OSError as error:
            if isinstance(error, BrokenPipeError | ConnectionResetError) or tls.is_cut_off(error):
                return False
            raise
        return True

    def send(self, data: Any) -> None:
        """As http.client, which sends header and body apart: the server would wake twice for each request."""
        if self._held is None:
            super().send(data)
        else:
            self._held.append(data)


def _is_broken(error: Exception, *, was_kept: bool) -> bool:
    """Whether a new connection may do better at once; one that waited long for nothing may not."""
    if isinstance(error, TimeoutError | ConnectionRefusedError):
        return False
    # A server that stops ends a connection in the middle of its handshake, too.
    return was_kept or isinstance(error, ConnectionError) or tls.is_cut_off(error)
