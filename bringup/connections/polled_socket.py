"""A TLS connection whose reads wait for data first, and whose writes wait only where there is no room."""

import time
from collections.abc import Callable
from functools import partial
from math import inf
from select import POLLIN, POLLOUT, poll
from typing import TYPE_CHECKING, Any

from bringup import tls

if TYPE_CHECKING:
    import ssl


class PolledSocket:
    """A socket after its handshake, with the timeout that it had. One thread at a time may use it.

    Python's ssl waits for room before each write, tries to read, waits, and reads once more, and gives the
    interpreter's lock away each time: sixteen threads that want it back cost a worker more than all of OpenSSL.
    Source: Modules/_ssl.c of CPython.

    Args:
        sock: of Python's own ssl; those of gevent wait without a lock.
    """

    def __init__(self, sock: "ssl.SSLSocket") -> None:
        self._sock = sock
        self._timeout_s = sock.gettimeout()
        sock.settimeout(0)
        self._readable, self._writable = _poller(sock, POLLIN), _poller(sock, POLLOUT)
        # OpenSSL reads one record at a time: when less came than there was room for, it has nothing left.
        self._is_drained = True
        self.fileno = sock.fileno  # the pool asks for it before each command

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def settimeout(self, seconds: float | None) -> None:
        """As of a socket: for all of one read or write; None: without end; 0: not at all."""
        self._timeout_s = seconds

    def gettimeout(self) -> float | None:
        """As of a socket."""
        return self._timeout_s

    def pending(self) -> int:
        """Bytes that were received and not read."""
        return 0 if self._is_drained else self._sock.pending()

    def recv_into(self, buffer: bytearray) -> int:
        """How many bytes came; 0: the other side has closed. Raises OSError, of which TimeoutError is one."""
        until = self._deadline()
        if self._is_drained and self._timeout_s != 0:
            _await(self._readable, until)
        received = self._persist(partial(self._sock.recv_into, buffer), until)
        self._is_drained = received < len(buffer)
        return received

    def sendall(self, data: bytes) -> None:
        """Send all. Raises OSError, of which TimeoutError is one."""
        until, rest = self._deadline(), memoryview(data)
        while rest:
            rest = rest[self._persist(partial(self._sock.send, rest), until) :]

    def _persist(self, operation: Callable[[], int], until: float) -> int:
        while True:
            try:
                return operation()
            except OSError as error:
                event = tls.event_of(error)
                if self._timeout_s == 0 or not event:
                    raise
            _await(self._readable if event == POLLIN else self._writable, until)

    def _deadline(self) -> float:
        return inf if self._timeout_s is None else time.monotonic() + self._timeout_s


def _poller(sock: "ssl.SSLSocket", event: int) -> poll:
    made = poll()
    made.register(sock, event)
    return made


def _await(poller: poll, until: float) -> None:
    left_ms = None if until == inf else max(0.0, until - time.monotonic()) * 1000
    if not poller.poll(left_ms):
        raise TimeoutError("timed out")
