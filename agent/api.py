"""The callback API as the machine of one run may call it: with the run's token, over a connection that was checked."""

import http.client
import json
import random
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
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


class RunOver(Exception):
    """The run has ended; the text is the reason. The agent stops working for it."""


class Response(NamedTuple):
    """A response of the API. ``body`` is {} where it is not a JSON object."""

    status: int
    body: dict[str, Any]
    date: str
    retry_after: str


class Api:
    """The API of one run. Each call opens a connection; a redirect is returned as it is and never followed."""

    def __init__(self, params: Parameters, context: ssl.SSLContext | None, token: str | None = None) -> None:
        """Prepare calls; nothing is connected yet.

        Args:
            params: the run and the address of the API.
            context: TLS settings; None only where the address is plain http.
            token: the run's token; None sends no credentials at all.
        """
        parts = urlsplit(params.callback_url)
        self.uses_tls = parts.scheme == "https"
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if self.uses_tls else 80)
        self._base = f"{parts.path.rstrip('/')}/runs/{params.run_id}"
        self._context = context
        self._token = token

    @property
    def address(self) -> str:
        """HOST:PORT, for messages."""
        return f"{self._host}:{self._port}"

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

    def post(self, path: str, message: Mapping[str, object]) -> Response:
        """`call` with a JSON message; raises the same."""
        return self.call("POST", path, json.dumps(message).encode())

    def _connection(self) -> http.client.HTTPConnection:
        if not self.uses_tls:
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
