"""The answers of a BMC, read whole and within limits: one that never ends must hold no worker, nor fill its memory."""

import time
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError

LARGEST_BYTES = 8 * 1024**2  # the largest real ones, lists of registries and logs, have a tenth of this
_PIECE_BYTES = 64 * 1024


class BoundedAdapter(HTTPAdapter):
    """Gives an answer on only when all of it is there.

    Args:
        longest_s: for the body of one answer, from its header on; a read timeout alone allows a byte a minute.
    """

    def __init__(self, longest_s: float) -> None:
        self._longest_s = longest_s
        super().__init__()

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        """As `HTTPAdapter.send`. Raises requests.RequestException when an answer is beyond a limit, too."""
        kwargs["stream"] = True
        response = super().send(request, *args, **kwargs)
        try:
            content = self._whole(response)
        finally:
            response.close()
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


def _next_piece(response: requests.Response) -> bytes:
    """What has come, without waiting for more; b"" at the end."""
    try:
        piece: bytes = response.raw.read1(_PIECE_BYTES, decode_content=True)
    except HTTPError as error:
        raise requests.exceptions.ConnectionError(error) from error
    return piece
