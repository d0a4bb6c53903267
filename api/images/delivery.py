"""Sending a part of a run's image, as fast as the other side takes it, and telling how far that went."""

import errno
import socket
import time
from collections.abc import Callable, Generator
from contextlib import closing

from api.images.overlay import RunImage
from bringup import log

CHUNK_BYTES = 64 * 1024
ASK_EVERY_S = 5.0
_TELL_EVERY_BYTES = 4 * 1024**2

Content = Generator[bytes, None, None]
Delivered = Callable[[int, int], None]
Progress = Callable[[], None]


def send_in_small_parts(connection: socket.socket) -> None:
    """Let the kernel take little ahead.

    It would take megabytes, and more only when a third of them is gone: who reads slowly would seem to have stopped.
    """
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * CHUNK_BYTES)


def deliver(image: RunImage, span: range, delivered: Delivered, progress: Progress) -> Content:
    """The bytes of ``span``.

    Args:
        delivered: told the first byte, and the one behind the last, of each piece that the other side has taken.
        progress: called whenever the other side has taken another chunk; the next one has time of its own.
    """
    image.seek(span.start)
    told = position = span.start
    try:
        while position < span.stop:
            chunk = _read(image, min(CHUNK_BYTES, span.stop - position))
            progress()
            yield chunk
            position += len(chunk)
            if position - told >= _TELL_EVERY_BYTES:
                delivered(told, position)
                told = position
    finally:
        if position > told:
            delivered(told, position)


def while_it_lives(content: Content, lives: Callable[[], bool], clock: Callable[[], float] = time.monotonic) -> Content:
    """``content`` as long as the image lives: a reader who is slow must not read on when its run has ended."""
    asked = clock()
    with closing(content):
        for chunk in content:
            if clock() - asked >= ASK_EVERY_S:
                if not lives():
                    raise ConnectionResetError(errno.ECONNRESET, "the run has ended")
                asked = clock()
            yield chunk


def _read(image: RunImage, count: int) -> bytes:
    """As much; or an end of the connection, for the header has promised it and nothing else may follow."""
    try:
        chunk = image.read(count)
    except OSError as error:
        log.get("api").error("an image cannot be served on: its connection is ended", why=str(error))
        raise ConnectionResetError(errno.ECONNRESET, "the image changed") from None
    if not chunk:
        raise ConnectionResetError(errno.ECONNRESET, "the image ended early")
    return chunk
