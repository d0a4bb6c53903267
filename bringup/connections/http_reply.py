"""The reply of an HTTP server, read up to a bound: what answers may be another program, or a bomb in gzip."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

import requests

# Twice the largest that our API sends, which is the list of 100,000 devices or runs.
MAX_BYTES = 256 * 1024**2
_BLOCK_BYTES = 64 * 1024


class ReplyTooLargeError(requests.RequestException):
    """It was not read to its end."""


@dataclass(frozen=True)
class HttpReply:
    """A reply as a whole.

    Args:
        content: unpacked.
    """

    status_code: int
    reason: str
    headers: Mapping[str, str]
    content: bytes

    def problem(self) -> dict[str, object]:
        """The problem document (RFC 9457) in it; empty: there is none."""
        try:
            body = json.loads(self.content)
        except ValueError:
            return {}
        return body if isinstance(body, dict) else {}


def read(response: requests.Response, max_bytes: int = MAX_BYTES) -> HttpReply:
    """Read a response that was requested with ``stream=True``.

    Raises:
        ReplyTooLargeError: it has more than ``max_bytes``, unpacked.
        requests.RequestException: the connection ended in it.
    """
    content = bytearray()
    with response:  # a connection with an unread rest is closed, and not used again
        for block in response.iter_content(_BLOCK_BYTES):
            content += block
            if len(content) > max_bytes:
                raise ReplyTooLargeError(f"its reply is larger than {max_bytes // 1024**2} MiB")
    return HttpReply(response.status_code, response.reason, response.headers, bytes(content))
