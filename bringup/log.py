"""Logging: structlog over the standard library, as lines for people or JSON for machines.

structlog takes longer to import than most commands run, and most commands log nothing: so it is imported with the first
line. How a line is made: `bringup.log_lines`.
"""

import logging
import sys
from contextlib import AbstractContextManager, suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, TextIO

if TYPE_CHECKING:
    from structlog.stdlib import BoundLogger

    from bringup.log_lines import LineFormatter

LogFormat = Literal["console", "json"]


class _LateHandler(logging.StreamHandler[TextIO]):
    """Writes to a stream, and sets structlog up for it before the first line."""

    def __init__(self, level: str, log_format: LogFormat, stream: TextIO) -> None:
        super().__init__(stream)
        self._level = level
        self._log_format = log_format
        self._is_ready = False

    def prepare(self) -> None:
        """Set structlog up, once."""
        if self._is_ready:
            return
        # Without the lock, which `handle` holds too, another thread would write a line before it has its format.
        self.acquire()
        try:
            if not self._is_ready:
                self.setFormatter(_lines().configure(self._level, self._log_format, is_terminal=self.stream.isatty()))
                self._is_ready = True
        finally:
            self.release()

    def format(self, record: logging.LogRecord) -> str:
        """As `logging.Handler`."""
        self.prepare()
        return super().format(record)

    def write_line(self, name: str, text: str) -> None:
        """Write a line of level info. A stream that takes none loses it, as it does records."""
        if not logging.getLogger().isEnabledFor(logging.INFO):
            return
        self.prepare()
        made: LineFormatter = self.formatter  # type: ignore[assignment] # that of `prepare`
        line = made.line(name, text) + self.terminator
        self.acquire()
        try:
            with suppress(OSError):
                self.stream.write(line)
                self.stream.flush()
        finally:
            self.release()


def configure(level: str = "INFO", log_format: LogFormat = "console", stream: TextIO | None = None) -> None:
    """Send all logging of this process, ours and the libraries', through one formatter to ``stream``.

    Args:
        level: name of the lowest level shown.
        log_format: ``console`` for people, ``json`` for one object a line.
        stream: default is standard error, so that standard output stays free for results.
    """
    handler = _LateHandler(level, log_format, stream or sys.stderr)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    # Our own lines report the same: rq writes four lines a job, urllib3 a warning for a retry that succeeds.
    for chatty in ("rq", "rq.worker", "rq.job", "urllib3"):
        logging.getLogger(chatty).setLevel(max(logging.ERROR, root.level))
    if "structlog" in sys.modules:  # nothing is gained by waiting
        handler.prepare()


def get(name: str) -> "BoundLogger":
    """The logger of a module; nothing is written before `configure`."""
    for handler in _ours():
        handler.prepare()
    logger: BoundLogger = _lines().get(name)
    return logger


def write_line(name: str, text: str) -> None:
    """A line of level info, as `get` and `logging` would write it, for a third of what a record of it costs.

    For what writes a line for each request.

    Args:
        name: of the logger.
        text: of the line.
    """
    for handler in _ours():
        handler.write_line(name, text)


def bound(**context: str) -> AbstractContextManager[None]:
    """A ``with`` block in which every line of this thread carries ``context`` (run_id, job_id)."""
    block: AbstractContextManager[None] = _lines().bound(**context)
    return block


def _ours() -> list[_LateHandler]:
    return [handler for handler in logging.getLogger().handlers if isinstance(handler, _LateHandler)]


def _lines() -> Any:
    return import_module("bringup.log_lines")
