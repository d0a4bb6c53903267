"""How structlog makes a line of a log: what `bringup.log` imports with the first line."""

import logging
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Literal

import structlog

from bringup.text import printable, without_image_secret


class LineFormatter(structlog.stdlib.ProcessorFormatter):
    """Makes lines of records, those of structlog and those of libraries.

    Args:
        shared: what every line passes.
        renderers: what makes text of it.
    """

    def __init__(
        self, shared: Sequence[structlog.typing.Processor], renderers: Sequence[structlog.typing.Processor]
    ) -> None:
        meta = structlog.stdlib.ProcessorFormatter.remove_processors_meta
        super().__init__(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *shared, *_MADE_SAFE],
            processors=[meta, *renderers],
        )
        self._of_text = [*_MADE_SAFE, *renderers]

    def line(self, name: str, text: str) -> str:
        """What `format` makes of a line of level info, where there is no record of it.

        Args:
            name: of the logger.
            text: of the line.
        """
        made: Any = {"event": text, "logger": name, "level": "info"}
        for process in self._of_text:
            made = process(None, "info", made)
        return str(made)


def configure(level: str, log_format: Literal["console", "json"], *, is_terminal: bool) -> LineFormatter:
    """Set structlog up; returns the formatter for its lines and for those of libraries.

    Args:
        level: name of the lowest level shown.
        log_format: ``console`` for people, ``json`` for one object a line.
        is_terminal: lines may have colours.
    """
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
    ]
    structlog.configure(
        processors=[*shared, *_MADE_SAFE, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        cache_logger_on_first_use=False,
    )
    return LineFormatter(shared, _renderers(log_format, is_terminal=is_terminal))


def get(name: str) -> structlog.stdlib.BoundLogger:
    """The logger of a module."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger


def bound(**context: str) -> AbstractContextManager[None]:
    """A ``with`` block in which every line of this thread carries ``context``."""
    return structlog.contextvars.bound_contextvars(**context)


def _renderers(log_format: Literal["console", "json"], *, is_terminal: bool) -> list[structlog.typing.Processor]:
    if log_format == "json":
        return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(default=str)]
    # The default prints the local variables of every frame, and some of them are secrets.
    plain = structlog.dev.plain_traceback
    return [structlog.dev.ConsoleRenderer(colors=is_terminal, pad_event_to=0, exception_formatter=plain)]


def _shown_safely(
    _logger: structlog.typing.WrappedLogger, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """A device or a client of the API chooses texts that are logged: it must not be able to forge a line.

    The secret in an image's address is struck out here, for all alike: gunicorn logs paths, sushy logs bodies.
    """
    return {
        name: printable(without_image_secret(value)) if isinstance(value, str) else value
        for name, value in event.items()
    }


# What every line passes, ours and those of libraries.
_MADE_SAFE: tuple[structlog.typing.Processor, ...] = (
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    _shown_safely,
)
