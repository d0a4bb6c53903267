"""The callback API as the machine of one run may call it: with the run's token, over a connection that was checked."""

import http.client
import json
import random
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from agent.parameters import Parameters

# Seconds for connecting, and for each read or write after it: a lost SYN is sent again after 1, 3, 7 and 15 s.
CONNECT_TIMEOUT_S = 20.0
# Seconds from the connection to the end of the response: bounds a server that sends one byte every 19 seconds.
CALL_TIMEOUT_S = 120.0
# Bytes of a response that are read: bounds the memory that another server can take. The API sends a few fields.
MAX_RESPONSE_BYTES = 1024**2
JSON = "application/json"
# Seconds that a Retry-After may ask for: a wrong value of a proxy must not stop a machine for days.
_MAX_RETRY_AFTER_S = 600.0
# Seconds that another address than the preferred one is used before that is tried again: a host that is away costs a
# connect timeout each time, and a run lasts some ten minutes.
_RETURN_S = 120.0
_SERVER_ERROR = 500  # from here on it is this address that cannot answer now. Source: RFC 9110 s.15.6


class RunOver(Exception):
    """The run has ended; the text is the reason. The agent stops working for it."""


class Response(NamedTuple):
    """A response of the API. ``body`` is {} where it is not a JSON object."""

    status: int
    body: dict[str, Any]
    date: str
    retry_after: str


class Api:
    """The API of one run, at each of its addresses.

    A call goes to the address that answered last, and to the others when that one does not answer or is not ready:
    every call is safe to repeat. Each opens a connection; a redirect is returned as it is and never followed.
    """

    def __init__(
        self,
        params: Parameters,
        context: ssl.SSLContext | None,
        token: str | None = None,
        failed: Callable[[str, Exception], None] = lambda _address, _error: None,
    ) -> None:
        """Prepare calls; nothing is connected yet.

        Args:
            params: the run and the addresses of the API.
            context: TLS settings; None only where the addresses are plain http.
            token: the run's token; None sends no credentials at all.
            failed: is given HOST:PORT and the error of an address while there are others to try.
        """
        self.uses_tls = params.uses_tls
        self._hosts = [_ApiHost(url, params.run_id, context, token) for url in params.callback_urls]
        self._failed = failed
        # Heartbeats call in a thread of their own. It needs no lock: whichever address a thread reads here may be used.
        self._current = self._hosts[0]
        self._return_at = 0.0

    @property
    def address(self) -> str:
        """HOST:PORT of the address that answered last, or failed last where none answers; for messages."""
        return self._current.address

    def call(self, method: str, path: str, body: bytes, content_type: str = JSON) -> Response:
        """Send one request for this run.

        Args:
            method: the HTTP method.
            path: below the run's own path, such as ``heartbeat``.
            body: the content.
            content_type: its media type.

        Raises:
            OSError, http.client.HTTPException: no response came; `agent.error_messages` explains each.
        """
        unready: Response | None = None
        failures: list[tuple[_ApiHost, Exception]] = []
        for host in self._order():
            try:
                response = host.call(method, path, body, content_type)
            except (OSError, http.client.HTTPException) as error:
                failures.append((host, error))
                if len(self._hosts) > 1:
                    self._failed(host.address, error)
                continue
            if response.status < _SERVER_ERROR:
                self._use(host)
                return response
            unready = response
        if unready is not None:
            return unready
        # An address that is only away may be right again soon: while there is one, no certificate ends the run.
        self._current, why = min(failures, key=lambda failure: isinstance(failure[1], ssl.SSLCertVerificationError))
        raise why

    def post(self, path: str, message: Mapping[str, object]) -> Response:
        """`call` with a JSON message; raises the same."""
        return self.call("POST", path, json.dumps(message).encode())

    def _order(self) -> list["_ApiHost"]:
        """The current one, then the others; from time to time the preferred one first."""
        first = self._current
        if first is not self._hosts[0] and time.monotonic() >= self._return_at:
            self._return_at = time.monotonic() + _RETURN_S
            first = self._hosts[0]
        return sorted(self._hosts, key=lambda host: (host is not first, host is not self._current))

    def _use(self, host: "_ApiHost") -> None:
        if host is not self._current:
            self._current = host
            self._return_at = time.monotonic() + _RETURN_S


class _ApiHost:
    """One address of the API."""

    def __init__(self, url: str, run_id: str, context: ssl.SSLContext | None, token: str | None) -> None:
        parts = urlsplit(url)
        self._uses_tls = parts.scheme == "https"
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if self._uses_tls else 80)
        self._base = f"{parts.path.rstrip('/')}/runs/{run_id}"
        self._context = context
        self._token = token

    @property
    def address(self) -> str:
        return f"{self._host}:{self._port}"

    def call(self, method: str, path: str, body: bytes, content_type: str) -> Response:
        connection = self._connection()
        try:
            connection.connect()
            headers = {"Content-Type": content_type, "Accept": JSON, "Connection": "close"}
            if self._token is not None:
                headers["Authorization"] = f"Bearer {self._token}"
            with _shutdown_after(CALL_TIMEOUT_S, connection.sock):
                connection.request(method, f"{self._base}/{path}", body, headers)
                return _read_response(connection.getresponse())
        finally:
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        if not self._uses_tls:
            return http.client.HTTPConnection(self._host, self._port, timeout=CONNECT_TIMEOUT_S)
        if self._context is None:
            raise ValueError("https needs a TLS context")
        return http.client.HTTPSConnection(self._host, self._port, timeout=CONNECT_TIMEOUT_S, context=self._context)


def jitter(least_s: float, most_s: float) -> float:
    """A random number of seconds between the two, so that machines which boot together do not call together."""
    return random.uniform(least_s, most_s)  # noqa: S311 - jitter, not a secret


def retry_delay(retry_after: str) -> float:
    """Seconds until the next try: what the server asks for (at most 10 minutes), else 5 to 30 s.

    Source: RFC 9110 s.10.2.3, delay-seconds. A date is ignored: the clock of this machine may be wrong.
    """
    if retry_after.isascii() and retry_after.isdigit():
        return min(float(retry_after), _MAX_RETRY_AFTER_S) + jitter(0, 2)
    return jitter(5, 30)


@contextmanager
def _shutdown_after(seconds: float, sock: socket.socket) -> Iterator[None]:
    """Bound the whole call: a socket's timeout alone starts again with each byte, and a slow server would hold us."""
    limit = threading.Timer(seconds, _shutdown, (sock,))
    limit.daemon = True
    limit.start()
    try:
        yield
    finally:
        limit.cancel()


def _shutdown(sock: socket.socket) -> None:
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


def _read_response(response: http.client.HTTPResponse) -> Response:
    raw = response.read(MAX_RESPONSE_BYTES)
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        body = {}
    return Response(
        status=response.status,
        body=body if isinstance(body, dict) else {},
        date=response.getheader("Date") or "",
        retry_after=response.getheader("Retry-After") or "",
    )
