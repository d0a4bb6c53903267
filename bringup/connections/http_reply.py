"""The reply of an HTTP server, read up to a bound: what answers may be another program, or a bomb in gzip."""

import http.client
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message

# Twice the largest that our API sends, which is the list of 100,000 devices or runs.
MAX_BYTES = 256 * 1024**2
_BLOCK_BYTES = 64 * 1024
_FINAL = 200  # replies below are followed by another
_GZIP = 16 + zlib.MAX_WBITS  # the header of gzip, and not of zlib. Source: zlib.h, inflateInit2()


class ReplyTooLargeError(http.client.HTTPException):
    """It was not read to its end."""


@dataclass(frozen=True)
class HttpReply:
    """A reply as a whole.

    Args:
        content: unpacked.
    """

    status_code: int
    reason: str
    headers: Message  # case of names does not matter in it
    content: bytes

    def problem(self) -> dict[str, object]:
        """The problem document (RFC 9457) in it; empty: there is none."""
        try:
            body = json.loads(self.content)
        except ValueError:
            return {}
        return body if isinstance(body, dict) else {}


def read(response: http.client.HTTPResponse, max_bytes: int = MAX_BYTES) -> HttpReply:
    """Read a response.

    Raises:
        ReplyTooLargeError: it has more than ``max_bytes``, unpacked.
        OSError, http.client.HTTPException: the connection ended in it, or it is not what it claims to be.
    """
    _require_clear_end(response)
    content = bytearray()
    for block in _unpacked(response):
        content += block
        if len(content) > max_bytes:
            raise ReplyTooLargeError(f"its reply is larger than {max_bytes // 1024**2} MiB")
    return HttpReply(response.status, response.reason, response.headers, bytes(content))


def _require_clear_end(response: http.client.HTTPResponse) -> None:
    """Where the end may be in two places, or the reply is still to come, its rest would answer the next request."""
    lengths = set(response.headers.get_all("Content-Length") or ())
    codings = [name.strip().lower() for name in response.headers.get_all("Transfer-Encoding") or ()]
    # Source: RFC 9112 s.6.3, and RFC 9110 s.15.2 for interim replies, of which http.client skips only 100.
    if len(lengths) + len(codings) > 1 or codings not in ([], ["chunked"]) or response.status < _FINAL:
        raise http.client.HTTPException("its reply has no clear end")


def _unpacked(response: http.client.HTTPResponse) -> Iterator[bytes]:
    """Blocks of bounded size. Source: RFC 9110 s.8.4.1.3."""
    if response.getheader("Content-Encoding", "").lower() != "gzip":
        yield from _blocks(response)
        return
    unpacker, is_empty = zlib.decompressobj(wbits=_GZIP), True
    try:
        for block in _blocks(response):
            if unpacker.eof:  # zlib would collect it without a bound
                raise http.client.HTTPException("its reply goes on after its end")
            is_empty = False
            yield unpacker.decompress(block, _BLOCK_BYTES)
            while unpacker.unconsumed_tail:
                yield unpacker.decompress(unpacker.unconsumed_tail, _BLOCK_BYTES)
    except zlib.error as error:
        raise http.client.HTTPException(f"its reply cannot be unpacked: {error}") from None
    if not unpacker.eof and not is_empty:  # a reply such as 204 has no content at all
        raise http.client.HTTPException("its reply ends too early")


def _blocks(response: http.client.HTTPResponse) -> Iterator[bytes]:
    while block := response.read(_BLOCK_BYTES):
        yield block
    if response.length:  # http.client takes an end before it for the end
        raise http.client.IncompleteRead(b"", response.length)
