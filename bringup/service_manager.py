"""What the service manager is notified of: that a service serves, and that it is alive.

Without a service manager (NOTIFY_SOCKET is not set) nothing is sent.

Source: sd_notify(3)
"""

import os
import socket
import time
from collections.abc import Callable, MutableMapping
from contextlib import suppress
from threading import Lock

_SOCKET_VARIABLE, _WATCHDOG_VARIABLE = "NOTIFY_SOCKET", "WATCHDOG_USEC"
# Seconds that a start may go on after each message: a service that waits for Redis must not be ended for that. Three
# messages may be late.
_START_GOES_ON_S = 20.0
_START_EVERY_S = 5.0
# A beat for each third of WatchdogSec: one may be late, on a busy host.
_BEATS = 3


class Notifier:
    """Sends what one service has to report to its service manager; threads and forked children may share it.

    Args:
        address: of the socket; empty: there is no service manager.
        watchdog_s: seconds without a beat after which the service manager restarts the service; 0: it does not.
        clock: seconds that only go forward.
    """

    def __init__(
        self, address: str = "", watchdog_s: float = 0.0, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._watchdog_s = watchdog_s
        self._clock = clock
        self._is_ready = False
        self._next_s = 0.0
        self._lock = Lock()  # without it two threads would both find that a message is due

    @classmethod
    def taken_from(cls, environ: MutableMapping[str, str] = os.environ) -> "Notifier":
        """As the environment has it, which is removed from there: no child may report for this service."""
        address, watchdog = environ.pop(_SOCKET_VARIABLE, ""), environ.pop(_WATCHDOG_VARIABLE, "")
        return cls(address, int(watchdog) / 1_000_000 if watchdog.isdecimal() else 0.0)

    def ready(self) -> None:
        """The service serves now; only the first call is sent."""
        with self._lock:
            is_first, self._is_ready = not self._is_ready, True
        if is_first:
            self._send("READY=1\nSTATUS=serving")

    def beat(self) -> None:
        """The service is alive: call it from the loop that does the work. While it is not ready, its start goes on."""
        every_s = self._watchdog_s / _BEATS if self._is_ready else _START_EVERY_S
        if not self._address or not every_s or not self._is_due(every_s):
            return
        if self._is_ready:
            self._send("WATCHDOG=1")
        else:
            self._send(f"EXTEND_TIMEOUT_USEC={_START_GOES_ON_S * 1_000_000:.0f}\nSTATUS=waiting for what it needs")

    def stopping(self) -> None:
        """The service ends; jobs in flight are finished first."""
        self._send("STOPPING=1")

    def _is_due(self, every_s: float) -> bool:
        now = self._clock()
        with self._lock:
            due = now >= self._next_s
            if due:
                self._next_s = now + every_s
        return due

    def _send(self, message: str) -> None:
        if not self._address:
            return
        # While systemd executes itself anew its socket refuses: no service may end for that, and the next beat is near.
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.sendto(message.encode(), self._address)
