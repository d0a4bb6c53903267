"""The callback API, as the machine of one run may call it: with its token, over a connection that it has checked."""

import http.client
import json
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from agent.parameters import Parameters

CONNECT_TIMEOUT_S = 20.0
LONGEST_CALL_S = 120.0  # from the connection to the end of the answer
LARGEST_ANSWER = 1024**2
JSON = "application/json"


class Answer(NamedTuple):
    """What the API said. ``body`` is {} where it is no JSON object."""

    status: int
    body: dict[str, Any]
    date: str
    retry_after: str


class Api:
    """One run's door to the API. A connection a call; redirects are answers, and never followed."""

    def __init__(self, given: Parameters, context: ssl.SSLContext | None, token: str | None = None) -> None:
        parts = urlsplit(given.callback_url)
        self._https = parts.scheme == "https"
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if self._https else 80)
        self._base = f"{parts.path.rstrip('/')}/runs/{given.run_id}"
        self._context = context
        self._token = token

    @property
    def place(self) -> str:
        """HOST:PORT, for people."""
        return f"{self._host}:{self._port}"

    def call(self, method: str, path: str, body: bytes, kind: str = JSON) -> Answer:
        """One request for this run.

        Raises:
            OSError, http.client.HTTPException: no answer came; `agent.error_messages` has the words for each.
        """
        connection = self._connection()
        try:
            connection.connect()
            headers = {"Content-Type": kind, "Accept": JSON, "Connection": "close"}
            if self._token is not None:
                headers["Authorization"] = f"Bearer {self._token}"
            with _cut_off_after(LONGEST_CALL_S, connection.sock):
                connection.request(method, f"{self._base}/{path}", body, headers)
                return _answer(connection.getresponse())
        finally:
            connection.close()

    def post(self, path: str, message: Mapping[str, object]) -> Answer:
        """`call` with a JSON message."""
        return self.call("POST", path, json.dumps(message).encode())

    def _connection(self) -> http.client.HTTPConnection:
        if not self._https:
            return http.client.HTTPConnection(self._host, self._port, timeout=CONNECT_TIMEOUT_S)
        if self._context is None:
            raise ValueError("https needs a TLS context")
        return http.client.HTTPSConnection(self._host, self._port, timeout=CONNECT_TIMEOUT_S, context=self._context)


@contextmanager
def _cut_off_after(seconds: float, door: socket.socket) -> Iterator[None]:
    """A call ends, however slowly the other side talks: a timeout alone lets it say one byte every 20 s for ever."""
    limit = threading.Timer(seconds, _cut_off, (door,))
    limit.daemon = True
    limit.start()
    try:
        yield
    finally:
        limit.cancel()


def _cut_off(door: socket.socket) -> None:
    with suppress(OSError):
        door.shutdown(socket.SHUT_RDWR)


def _answer(response: http.client.HTTPResponse) -> Answer:
    raw = response.read(LARGEST_ANSWER)
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        body = {}
    return Answer(
        status=response.status,
        body=body if isinstance(body, dict) else {},
        date=response.getheader("Date") or "",
        retry_after=response.getheader("Retry-After") or "",
    )
