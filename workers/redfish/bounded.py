"""The answers of a BMC, read whole and within limits: one that never ends must hold no worker, nor fill its memory."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError

from workers.redfish.gate import SOCKET_OPTIONS, Gate, connect_ahead

LARGEST_BYTES = 8 * 1024**2  # the largest real ones, lists of registries and logs, have a tenth of this
_PIECE_BYTES = 64 * 1024


class BoundedAdapter(HTTPAdapter):
    """Gives an answer on only when all of it is there; sends a write only while its permit holds.

    Args:
        longest_s: for the body of one answer, from its header on; a read timeout alone allows a byte a minute.
    """

    def __init__(self, longest_s: float, gate: Gate) -> None:
        self._longest_s = longest_s
        self._gate = gate
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """As `HTTPAdapter.init_poolmanager`, with the gate before each request."""
        super().init_poolmanager(*args, socket_options=SOCKET_OPTIONS, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self._gate.pools()

    def connect(self, url: str, *, verify: bool | str, connect_s: float) -> None:
        """Connect, with the TLS handshake, and keep that for the next request. Raises requests.RequestException."""
        request = requests.Request("GET", url).prepare()
        pool: Any = self.get_connection_with_tls_context(request, verify)
        self.cert_verify(pool, url, verify, None)  # type: ignore[no-untyped-call]
        with _connection_errors():
            connect_ahead(pool, connect_s)

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        """As `HTTPAdapter.send`. Raises requests.RequestException when an answer is beyond a limit, too."""
        kwargs["stream"] = True
        connect_s, read_s = kwargs["timeout"]
        kwargs["timeout"] = (self._gate.connect_timeout_s(request.method, connect_s), read_s)
        with self._gate.request(request.method):
            response = super().send(request, *args, **kwargs)
        try:
            content = self._whole(response)
        finally:
            response.close()
            # We asked for `Connection: close`: nothing more may be sent on it (RFC 9112 s.9.6). urllib3 would, and
            # the write that meets the BMC's close is lost.
            self.poolmanager.clear()
        response._content = content  # noqa: SLF001 - where requests itself keeps what it has read
        return response

    def _whole(self, response: requests.Response) -> bytes:
        deadline, content = time.monotonic() + self._longest_s, bytearray()
        while piece := _next_piece(response):
            content += piece
            if len(content) > LARGEST_BYTES:
                raise requests.exceptions.ContentDecodingError(f"its answer is larger than {LARGEST_BYTES} bytes")
            if time.monotonic() > deadline:
                raise requests.exceptions.ReadTimeout(f"its answer did not come whole within {self._longest_s:.0f} s")
        return bytes(content)


@contextmanager
def _connection_errors() -> Iterator[None]:
    """What urllib3 raises while connecting, as requests would have it."""
    try:
        yield
    except (HTTPError, OSError) as error:
        raise requests.exceptions.ConnectionError(error) from error


def _next_piece(response: requests.Response) -> bytes:
    """What has come, without waiting for more; b"" at the end."""
    try:
        piece: bytes = response.raw.read1(_PIECE_BYTES, decode_content=True)
    except HTTPError as error:
        raise requests.exceptions.ConnectionError(error) from error
    return piece
