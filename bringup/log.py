"""Logging: structlog over the standard library, as lines for people or JSON for machines."""

import logging
import sys
from contextlib import AbstractContextManager
from typing import Literal, TextIO

import structlog

from bringup.text import printable, without_image_secret

LogFormat = Literal["console", "json"]


def configure(level: str = "INFO", log_format: LogFormat = "console", stream: TextIO | None = None) -> None:
    """Send all logging of this process, ours and the libraries', through one formatter to ``stream``.

    Args:
        level: name of the lowest level shown.
        log_format: ``console`` for people, ``json`` for one object a line.
        stream: default is standard error, so that standard output stays free for results.
    """
    stream = stream or sys.stderr
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _shown_safely,
    ]
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *shared],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_renderers(log_format, stream),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    # Our own lines report the same: rq writes four lines a job, urllib3 a warning for a retry that succeeds.
    for chatty in ("rq", "rq.worker", "rq.job", "urllib3"):
        logging.getLogger(chatty).setLevel(max(logging.ERROR, root.level))
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        cache_logger_on_first_use=False,
    )


def _renderers(log_format: LogFormat, stream: TextIO) -> list[structlog.typing.Processor]:
    if log_format == "json":
        return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(default=str)]
    # The default prints the local variables of every frame, and some of them are secrets.
    plain = structlog.dev.plain_traceback
    return [structlog.dev.ConsoleRenderer(colors=stream.isatty(), pad_event_to=0, exception_formatter=plain)]


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


def get(name: str) -> structlog.stdlib.BoundLogger:
    """The logger of a module; nothing is written before `configure`."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger


def bound(**context: str) -> AbstractContextManager[None]:
    """A ``with`` block in which every line of this thread carries ``context`` (run_id, job_id)."""
    return structlog.contextvars.bound_contextvars(**context)
