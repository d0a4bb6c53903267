"""The gate of a BMC's connection: nothing but reads goes through it without a permit that still holds.

It stands where the request is about to be written to the socket, after connecting and the TLS handshake: whatever
was slow before cannot carry a request beyond its permit.
"""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection

from workers.permit import Permit

if TYPE_CHECKING:
    from urllib3._base_connection import BaseHTTPConnection

READS = frozenset({"GET", "HEAD"})
# What was sent and not acknowledged is given up by the kernel after this time, also when the process is gone. So a
# request reaches the BMC at most this long after its permit has ended. Source: RFC 5482; tcp(7).
ARRIVAL_S = 5.0
_TCP_USER_TIMEOUT = getattr(socket, "TCP_USER_TIMEOUT", None)  # Linux
SOCKET_OPTIONS = [
    *HTTPConnection.default_socket_options,
    *([(socket.IPPROTO_TCP, _TCP_USER_TIMEOUT, int(ARRIVAL_S * 1000))] if _TCP_USER_TIMEOUT else []),
]


class Gate:
    """Whether a request may be sent now, for one connection that one thread uses."""

    def __init__(self) -> None:
        self._permit: Permit | None = None
        self._is_login = False
        self._before_sending: Callable[[], None] = _nothing

    @contextmanager
    def writing(self, permit: Permit) -> Iterator[None]:
        """Writes inside are sent while ``permit`` holds. Raises PermitExpired from the one that is not."""
        permit.require()
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
        """One request. A write without a permit is a defect of ours: RuntimeError, and nothing is sent."""
        if method not in READS and not self._is_login:
            if self._permit is None:
                raise RuntimeError(f"{method} to a BMC without a permit")
            self._before_sending = self._permit.require
        try:
            yield
        finally:
            self._before_sending = _nothing

    def connect_timeout_s(self, method: str | None, otherwise_s: float) -> float:
        """How long connecting may take for a request: for a write, not beyond its permit."""
        if method in READS or self._permit is None:
            return otherwise_s
        return max(0.001, min(otherwise_s, self._permit.remaining_s()))

    def pools(self) -> dict[str, Callable[..., HTTPConnectionPool]]:
        """urllib3's pools, with this gate in front of each request."""
        gate = self

        class Pool(HTTPConnectionPool):
            def _validate_conn(self, conn: "BaseHTTPConnection") -> None:
                super()._validate_conn(conn)
                gate._before_sending()

        class SecurePool(HTTPSConnectionPool):
            def _validate_conn(self, conn: "BaseHTTPConnection") -> None:
                super()._validate_conn(conn)  # connects, where that is not done yet
                gate._before_sending()

        return {"http": Pool, "https": SecurePool}


def connect_ahead(pool: HTTPConnectionPool, timeout_s: float) -> None:
    """Connect, with the TLS handshake, and keep that for the next request of ``pool``.

    urllib3 has no public way to do so. Raises HTTPError and OSError.
    """
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


def _nothing() -> None:
    """A read needs no permit."""
