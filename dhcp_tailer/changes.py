"""Waiting for a file to change."""

import time
from collections.abc import Callable
from typing import Protocol


class Changes(Protocol):
    """What tells the tailer to look again."""

    def wait(self) -> None:
        """Return when the file may have changed, and at the latest after a moment."""


class Polling:
    """Looks again after a fixed time: works on every file system."""

    def __init__(self, interval_s: float = 0.02, sleep: Callable[[float], None] = time.sleep) -> None:
        self._interval_s = interval_s
        self._sleep = sleep

    def wait(self) -> None:
        """Sleep for the interval."""
        self._sleep(self._interval_s)
