"""What comes of an HTTP reply, up to a deadline, and whether more came than the reply."""

import http.client
import io
import socket
import time
from typing import Any


class _TimedReads(io.RawIOBase):
    """What a socket receives, up to a deadline: its own timeout begins anew with each byte.

    Args:
        connection: whose timeout is set.
        answer_s: seconds for one wait.
        until: the deadline, by the monotonic clock.
    """

    def __init__(self, connection: socket.socket, answer_s: float, until: float) -> None:
        self._connection, self._answer_s, self._until = connection, answer_s, until
        self._is_over = False
        # It keeps the socket open for as long as it is read, also where http.client has closed the connection.
        self._raw = connection.makefile("rb", buffering=0)

    def readable(self) -> bool:
        """As in io."""
        return True

    def readinto(self, buffer: Any, /) -> int | None:
        """As in io. Raises TimeoutError."""
        if self._is_over:
            return 0
        left_s = self._until - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("its reply did not end in time")
        self._connection.settimeout(min(left_s, self._answer_s))
        return self._raw.readinto(buffer)

    def end(self) -> None:
        """Receive nothing more."""
        self._is_over = True

    def close(self) -> None:
        """As in io."""
        self._raw.close()
        super().close()


class Received(io.BufferedReader):
    """What was received of a reply and is not read yet; ``has_surplus``, once it is closed: something was left.

    Args:
        connection: whose timeout is set.
        answer_s: seconds for one wait.
        until: the deadline, by the monotonic clock.
    """

    def __init__(self, connection: socket.socket, answer_s: float, until: float) -> None:
        self._source, self.has_surplus = _TimedReads(connection, answer_s, until), False
        super().__init__(self._source)

    def read(self, size: int | None = -1, /) -> bytes:
        """As in io. Raises HTTPException: http.client takes a chunk of "-1" bytes for all that will ever come."""
        if size is None or size < 0:
            raise http.client.HTTPException("its reply has a chunk of no size")
        return super().read(size)

    def close(self) -> None:
        """As in io."""
        if not self.closed:
            self._source.end()
            self.has_surplus = bool(self.peek())
        super().close()


def response_of(received: Received, connection: socket.socket, **options: Any) -> http.client.HTTPResponse:
    """A response that is read from ``received``; the rest is what http.client makes a response of."""
    response = http.client.HTTPResponse(connection, **options)
    response.fp.close()
    response.fp = received
    return response
