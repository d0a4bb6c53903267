"""Errors that are this host's: they say nothing of the job that met them."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from bringup.errors import HostShortage

_SHORT_OF = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS, errno.EAGAIN, errno.ENOSPC, errno.EDQUOT}
_NO_THREAD = "can't start new thread"  # CPython raises a bare RuntimeError; the text is all that tells it from others


@contextmanager
def host_errors() -> Iterator[None]:
    """Raises HostShortage for what the block raises because this host is short of something."""
    try:
        yield
    except (MemoryError, OSError, RuntimeError) as error:
        if not is_shortage(error):
            raise
        why = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise HostShortage(f"this host is short of something: {why}; see its limits (ulimit -a) and memory") from error


def is_shortage(error: BaseException) -> bool:
    """Whether this host was short of file descriptors, memory, threads or disk."""
    if isinstance(error, OSError):
        return error.errno in _SHORT_OF
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and str(error) == _NO_THREAD)
