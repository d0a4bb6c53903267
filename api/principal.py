"""Who calls: found by `api.auth` before a view runs, and named in every record of what they change."""

import time
from dataclasses import dataclass
from enum import StrEnum
from threading import Lock

from flask import g, request

# Lines about callers without a token of ours: more would let anybody fill the disk.
_UNKNOWN_EVERY_S = 1.0


class PrincipalRole(StrEnum):
    """What a caller has shown a token of."""

    OPERATOR = "operator"
    VIEWER = "viewer"
    SERVICE = "service"  # API_TOKEN
    CONSOLE = "console"  # the page, for itself
    CONNECTOR = "connector"  # a program of another system
    UNKNOWN = "unknown"  # no token that we know


@dataclass(frozen=True)
class Principal:
    """One caller.

    Args:
        name: of the operator, or the name in a service's certificate.
        certificate: identity in the client certificate; None: there is none.
        address: from where, as this server sees it.
        console: the console by which a person calls; None: they call themselves.
    """

    name: str
    role: PrincipalRole
    address: str
    certificate: str | None = None
    console: str | None = None

    def __str__(self) -> str:
        return self.name


def unknown_principal() -> Principal:
    """The caller of this request, as long as no token was recognised."""
    return Principal("unknown", PrincipalRole.UNKNOWN, request.remote_addr or "")


def current_principal() -> Principal:
    """The caller of this request."""
    found: Principal = g.get("principal") or unknown_principal()
    return found


class UnknownCallers:
    """Lets through one line about unknown callers now and then, and counts the others."""

    def __init__(self) -> None:
        self._lock = Lock()  # without it threads that come together would all be let through
        self._next = 0.0
        self._skipped = 0

    def skipped(self) -> int | None:
        """How many were left out since the last line; None: this one is left out, too."""
        with self._lock:
            now = time.monotonic()
            if now < self._next:
                self._skipped += 1
                return None
            skipped, self._skipped, self._next = self._skipped, 0, now + _UNKNOWN_EVERY_S
            return skipped
