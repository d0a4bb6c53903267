"""The gate of a BMC's connection: without a valid permit only reads pass.

It is placed where the request is about to be written to the socket, after connecting and the TLS handshake: no delay
before can carry a request beyond its permit.
"""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import requests
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

from bringup import tls
from bringup.wire.run_events import ARRIVAL_S
from workers.bmc import Permit

# HTTP methods that change nothing. Source: RFC 9110 s.9.2.1.
READS = frozenset({"GET", "HEAD"})
# Linux has it, macOS does not: there a request of a killed worker is bounded by TCP's own timeout alone.
_TCP_USER_TIMEOUT = getattr(socket, "TCP_USER_TIMEOUT", None)
# What was sent and not acknowledged is dropped by the kernel after ARRIVAL_S, also when this process is killed: without
# it a write could reach the BMC minutes after its permit has ended. Source: RFC 5482, tcp(7).
SOCKET_OPTIONS = [
    *HTTPConnection.default_socket_options,
    *([(socket.IPPROTO_TCP, _TCP_USER_TIMEOUT, int(ARRIVAL_S * 1000))] if _TCP_USER_TIMEOUT else []),
]


class Gate:
    """Whether a request may be sent now, for one connection that one thread uses."""

    def __init__(self) -> None:
        self._permit: Permit | None = None
        self._is_login = False
        self._is_write = False
        self._is_let_through = False

    @contextmanager
    def writing(self, permit: Permit) -> Iterator[None]:
        """Writes inside are sent while ``permit`` is valid. Raises PermitExpired from the one that is not."""
        permit.require()
        # For the whole block: one write may need several requests, such as a second one with another ETag.
        self._permit = permit
        try:
            yield
        finally:
            self._permit = None

    @contextmanager
    def login(self) -> Iterator[None]:
        """Writes inside belong to the session itself: logging in and out."""
        self._is_login = True
        try:
            yield
        finally:
            self._is_login = False

    @contextmanager
    def request(self, method: str | None) -> Iterator[None]:
        """One request.

        Raises:
            RuntimeError: a write without a permit, which is a defect of ours; nothing is sent.
        """
        self._is_write = method not in READS and not self._is_login
        self._is_let_through = False
        if self._is_write and self._permit is None:
            raise RuntimeError(f"{method} to a BMC without a permit")
        try:
            yield
        except requests.RequestException:
            self._raise_if_too_late()
            raise
        finally:
            self._is_write = False

    def let_through(self) -> None:
        """The request is sent when this returns. Raises PermitExpired."""
        if self._is_write and self._permit:
            self._permit.require()
        self._is_let_through = True

    def _raise_if_too_late(self) -> None:
        """Connecting was cut short by the end of the permit: nothing was sent, and a new permit helps."""
        if self._is_write and self._permit and not self._is_let_through:
            self._permit.require()

    def connect_timeout_s(self, method: str | None, otherwise_s: float) -> float:
        """How long connecting may take for a request: for a write, not beyond its permit."""
        if method in READS or self._permit is None:
            return otherwise_s
        # Not 0, which sockets take for "do not wait at all".
        return max(0.001, min(otherwise_s, self._permit.remaining_s()))

    def pools(self) -> dict[str, Callable[..., HTTPConnectionPool]]:
        """urllib3's pools, with this gate in front of each request."""
        gate = self

        class Pool(HTTPConnectionPool):
            def _validate_conn(self, conn: Any) -> None:
                super()._validate_conn(conn)
                gate.let_through()

        class SecurePool(HTTPSConnectionPool):
            ConnectionCls = _Connection

            def _validate_conn(self, conn: Any) -> None:
                super()._validate_conn(conn)  # connects, where that is not done yet
                gate.let_through()

        return {"http": Pool, "https": SecurePool}


def connect_ahead(pool: HTTPConnectionPool, timeout_s: float) -> None:
    """Connect, with the TLS handshake, and keep that for the next request of ``pool``.

    urllib3 has no public way to do so. Raises HTTPError and OSError.
    """
    # A handshake with a slow BMC takes seconds: after the question for a permit it would use up the permit.
    connection = pool._get_conn()  # noqa: SLF001
    try:
        connection.timeout = timeout_s
        pool._validate_conn(connection)  # noqa: SLF001 - connects, where there is TLS
        if connection.is_closed:
            connection.connect()
    except BaseException:
        connection.close()
        raise
    finally:
        pool._put_conn(connection)  # noqa: SLF001


class _Connection(HTTPSConnection):
    """A connection that waits for its first request, and does not count as closed because of session tickets.

    With TLS 1.3 a server sends tickets after the handshake: urllib3 sees something to read, and connects anew.
    Source: RFC 8446 s.4.6.1.
    """

    @property
    def is_connected(self) -> bool:
        """Whether the other side has kept it open."""
        return super().is_connected or (self.sock is not None and tls.is_idle(self.sock))
