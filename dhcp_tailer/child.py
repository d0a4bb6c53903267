"""A child process that writes a large checkpoint, so that no lease waits for it."""

import ctypes
import os
import signal
from collections.abc import Callable
from typing import NamedTuple

_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>: the signal that a process gets when its parent dies


class Ended(NamedTuple):
    """What became of a write."""

    problem: str | None
    cpu_s: float  # the time of the disk is not ours: we go on meanwhile


class Child(NamedTuple):
    """A process that writes a checkpoint: a copy of ours as it was at the fork.

    It holds our lock too, and dies with us: so no later tailer begins while it may still write.
    """

    pid: int

    @classmethod
    def fork(cls, write: Callable[[], None]) -> "Child":
        """Begin to write."""
        libc, parent = ctypes.CDLL(None), os.getpid()
        pid = os.fork()
        if pid:
            return cls(pid)
        code = 1
        try:
            libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() == parent:  # else it died before that took effect
                write()
                code = 0
        except OSError as error:
            code = error.errno or 1
        finally:
            os._exit(code)

    def ended(self, *, wait: bool) -> Ended | None:
        """How it ended; None while it works."""
        pid, status, used = os.wait4(self.pid, 0 if wait else os.WNOHANG)
        if not pid:
            return None
        code = os.waitstatus_to_exitcode(status)
        problem = None if code == 0 else os.strerror(code) if code > 0 else f"its process was ended by signal {-code}"
        return Ended(problem, used.ru_utime + used.ru_stime)
