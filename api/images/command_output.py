"""What a command of the operator's prints, within limits: it runs in the API, which must outlive it."""

import os
import selectors
import subprocess
import time

from bringup.errors import BringupError

_PIECE_BYTES = 64 * 1024


class TooMuchOutput(BringupError):
    """It prints more than was asked for."""


def outputs(process: subprocess.Popen[bytes], longest_s: float, most_bytes: int) -> tuple[bytes, bytes]:
    """Standard and error output of ``process``, to their end.

    Raises:
        TimeoutError: the end has not come in time.
        TooMuchOutput: one of them is longer than ``most_bytes``.
    """
    deadline = time.monotonic() + longest_s
    out, err = bytearray(), bytearray()
    with selectors.DefaultSelector() as pipes:
        for pipe, found in ((process.stdout, out), (process.stderr, err)):
            pipes.register(pipe, selectors.EVENT_READ, found)  # type: ignore[arg-type] # both are pipes
        while pipes.get_map():
            if time.monotonic() > deadline:
                raise TimeoutError
            for key, _ in pipes.select(deadline - time.monotonic()):
                _read(pipes, key, most_bytes)
    return bytes(out), bytes(err)


def _read(pipes: selectors.BaseSelector, key: selectors.SelectorKey, most_bytes: int) -> None:
    piece = os.read(key.fd, _PIECE_BYTES)
    key.data.extend(piece)
    if len(key.data) > most_bytes:
        raise TooMuchOutput
    if not piece:
        pipes.unregister(key.fileobj)
