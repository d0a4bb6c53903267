"""The TLS context of our certificate files, looked at as often as it is worth."""

import time
from collections.abc import Callable
from math import inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl

# Seconds between two looks at the certificate files for connections that are kept. Each costs as much as a small
# command of Redis does in TLS, and gives the interpreter's lock away three times.
_LOOK_EVERY_S = 0.1


class RecentContext:
    """What connections are made with, and what kept ones are compared with. Threads may share it.

    Args:
        now: of the files as they are now.

    Raises:
        SettingsError: from both methods, for certificate files that are not usable.
    """

    def __init__(self, now: "Callable[[], ssl.SSLContext]") -> None:
        self._now = now
        self._context: ssl.SSLContext | None = None
        self._look_at = -inf

    def recent(self) -> "ssl.SSLContext":
        """For connections that are open: the files may have been replaced a moment ago."""
        if self._context is None or time.monotonic() >= self._look_at:
            return self.fresh()
        return self._context

    def fresh(self) -> "ssl.SSLContext":
        """For a new connection: of the files as they are now."""
        self._look_at = time.monotonic() + _LOOK_EVERY_S
        self._context = self._now()
        return self._context
