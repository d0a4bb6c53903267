"""The agent's log: lines on the console, and the text that is uploaded as agent.log; secrets appear in neither."""

import threading
from collections import deque
from collections.abc import Callable

from agent.text import printable

# Bytes of one log: the API accepts no more per artifact.
LOG_LIMIT = 1024**2
# Lines that are kept. A machine without a network writes one every few seconds and may try for days.
_MAX_LINES = 10_000


class Log:
    """Lines for the console and for agent.log."""

    def __init__(self, write_line: Callable[[str], None], monotonic: Callable[[], float]) -> None:
        """An empty log.

        Args:
            write_line: writes to the console.
            monotonic: seconds since the boot, for the time of each line.
        """
        self._write_line = write_line
        self._monotonic = monotonic
        self._secrets: list[str] = []
        self._lines: deque[str] = deque(maxlen=_MAX_LINES)
        # The heartbeat thread logs too: a deque must not change while `content` reads it.
        self._lock = threading.Lock()

    def redact(self, secret: str) -> None:
        """From now on write ``[hidden]`` in place of this text."""
        self._secrets.append(secret)

    def show(self, text: str) -> None:
        """Write one line to the console and to the log."""
        line = self.write(text)
        self._write_line(f"bringup: {line}")

    def write(self, text: str) -> str:
        """Write one line to the log only. Returns the line as it was written."""
        for secret in self._secrets:
            text = text.replace(secret, "[hidden]")
        line = printable(text)
        with self._lock:
            self._lines.append(f"{self._monotonic():10.3f} {line}\n")
        return line

    def content(self) -> bytes:
        """All lines, or the newest of them where there are more than `LOG_LIMIT` bytes."""
        with self._lock:
            whole = "".join(self._lines).encode("utf-8", "replace")
        return whole[-LOG_LIMIT:].decode("utf-8", "ignore").encode()
