"""What the agent says: on the console, and in the log that it uploads."""

import threading
from collections import deque
from collections.abc import Callable

from agent.text import printable

LOG_LIMIT = 1024**2  # bytes that the API takes
_MOST_LINES = 10_000  # a machine may try for days


class Journal:
    """Lines for the console and the log. What it was told to hide appears in neither."""

    def __init__(self, write_line: Callable[[str], None], monotonic: Callable[[], float]) -> None:
        self._write_line = write_line
        self._monotonic = monotonic
        self._hidden: list[str] = []
        self._lines: deque[str] = deque(maxlen=_MOST_LINES)
        self._lock = threading.Lock()

    def hide(self, secret: str) -> None:
        """Never show this."""
        self._hidden.append(secret)

    def say(self, text: str) -> None:
        """One line on the console, and in the log."""
        line = self.note(text)
        self._write_line(f"bringup: {line}")

    def note(self, text: str) -> str:
        """One line in the log only. Returns it as it was written."""
        for secret in self._hidden:
            text = text.replace(secret, "[hidden]")
        line = printable(text)
        with self._lock:
            self._lines.append(f"{self._monotonic():10.3f} {line}\n")
        return line

    def log(self) -> bytes:
        """Everything said so far; the latest of it where it is too much."""
        with self._lock:
            whole = "".join(self._lines).encode("utf-8", "replace")
        return whole[-LOG_LIMIT:].decode("utf-8", "ignore").encode()
