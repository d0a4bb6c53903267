"""TLS sessions of our connections to Redis: a new connection resumes one, and so costs half of a handshake.

What is resumed is not verified again, by neither side: OpenSSL takes the certificates from the session. Redis, too,
lets a client resume whose certificate has ended. So it is us who give a session up: with the certificate that ends
first, when the files of our certificate or CA have changed, and after a minute in any case, so that a server with
another certificate is noticed. A user that was removed from Redis is refused all the same: each connection logs in.

Source: RFC 8446 s.2.2, s.4.6.1.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl

# Seconds after the full handshake. The threads of a service connect within seconds at its start, and after an outage
# or a failover: that is when resuming helps. Redis keeps its tickets for 300 s.
_KEPT_S = 60.0


@dataclass(frozen=True)
class _Kept:
    """One session, and how long it is good for.

    Args:
        context: that it was made with; another one is of other files.
        session: None: the server has refused one.
        until: by the monotonic clock.
        ends_at: by the calendar's.
    """

    context: "ssl.SSLContext"
    session: "ssl.SSLSession | None"
    until: float
    ends_at: float

    def is_good(self, context: "ssl.SSLContext", monotonic: float, now: float) -> bool:
        return self.context is context and monotonic < self.until and now < self.ends_at


class TlsSessions:
    """The session of the last full handshake with each server.

    Args:
        monotonic: seconds that only go forward.
        now: seconds since the epoch, by which certificates end.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic, now: Callable[[], float] = time.time) -> None:
        self._monotonic = monotonic
        self._now = now
        # Each step is one operation on a dictionary: of two threads that connect at once, both make a full handshake.
        self._kept: dict[tuple[str, int], _Kept] = {}

    def session(self, context: "ssl.SSLContext", server: tuple[str, int]) -> "ssl.SSLSession | None":
        """What a connection to ``server`` may resume; None: nothing."""
        kept = self._current(context, server)
        return kept.session if kept else None

    def keep(
        self, context: "ssl.SSLContext", server: tuple[str, int], connection: "ssl.SSLSocket", own_certificate: Path
    ) -> None:
        """Remember the session of a connection, once it has read something: in TLS 1.3 it comes after the handshake.

        One that was resumed itself is not kept: a chain of them would outlive every bound.

        Args:
            context: that the connection was made with.
            server: host and port.
            connection: after the first answer.
            own_certificate: file of the one that we presented.
        """
        if connection.session_reused or self._current(context, server) or connection.session is None:
            return
        ends_at = min(_end_of_peer(connection), _end_of(own_certificate))
        self._kept[server] = _Kept(context, connection.session, self._monotonic() + _KEPT_S, ends_at)

    def refused(self, context: "ssl.SSLContext", server: tuple[str, int]) -> None:
        """Offer this server none for a while: it ends the handshake instead of making a full one.

        Redis does so with ``tls-session-caching no``.
        """
        self._kept[server] = _Kept(context, None, self._monotonic() + _KEPT_S, float("inf"))

    def _current(self, context: "ssl.SSLContext", server: tuple[str, int]) -> _Kept | None:
        kept = self._kept.get(server)
        return kept if kept and kept.is_good(context, self._monotonic(), self._now()) else None


def _end_of_peer(connection: "ssl.SSLSocket") -> float:
    presented = connection.getpeercert(binary_form=True)
    if presented is None:
        return 0.0
    end: datetime = _certificates().end_of_der(presented)
    return end.timestamp()


def _end_of(certificate: Path) -> float:
    """Of a file that may be replaced right now; what cannot be read has ended."""
    try:
        end: datetime = _certificates().end_of_pem(certificate.read_bytes())
    except (OSError, ValueError):
        return 0.0
    return end.timestamp()


def _certificates() -> ModuleType:
    """Imported when a session is kept: only Redis over TLS needs it, and each command loads this module."""
    return import_module("bringup.certificates")
