"""Services of bringup as processes that have their libraries loaded: forks of an interpreter that waits for that.

To load them takes most of a second of processor, and the tests start hundreds of services. Such a process is one of its
own in all else: environment, folder, output, session, signals, exit status. Fresh interpreters, as users start them,
are those of tests/e2e (`test_demo.py`, `test_stack.py`, `test_wheel.py`) and of `server/test_foreign_packages.py`.
"""

import _socket
import gc
import json
import os
import posix
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path

from bringup_cli.cooperative import COOPERATIVE, command_in

_LONGEST_REQUEST = 1024**2  # bytes; the kernel bounds what a process is given to less


class Service(subprocess.Popen[bytes]):
    """A process of bringup, as `subprocess.Popen` has them, which is the child of another one.

    Args:
        reports: gives its process id, and its exit status when it has ended; a line each.
    """

    def __init__(self, arguments: Sequence[str], reports: int) -> None:
        self.args = arguments
        self.stdin = self.stdout = self.stderr = None
        self.returncode = None
        self._child_created = False  # nothing is left to Popen at the end
        self._reports = os.fdopen(reports, "rb", buffering=0)
        self.pid = int(self._reports.readline())

    def poll(self) -> int | None:
        """See `subprocess.Popen`."""
        return self._status(0)

    def wait(self, timeout: float | None = None) -> int:
        """See `subprocess.Popen`."""
        status = self._status(timeout)
        if status is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        return status

    def _status(self, timeout_s: float | None) -> int | None:
        if self.returncode is None and select.select([self._reports], [], [], timeout_s)[0]:
            self.returncode = int(self._reports.readline())
            self._reports.close()
        return self.returncode


def start(
    arguments: Sequence[str], *, cwd: Path, env: Mapping[str, str], log: int, start_new_session: bool = False
) -> "subprocess.Popen[bytes]":
    """Start ``bringup`` with these arguments, as `subprocess.Popen` would.

    Args:
        log: the descriptor that gets its output and its errors.
    """
    if "LD_PRELOAD" in env:  # which is read by the loader alone
        command = [sys.executable, "-m", "bringup", *arguments]
        return subprocess.Popen(command, cwd=cwd, env=env, stdout=log, stderr=log, start_new_session=start_new_session)
    reader, writer = os.pipe()
    request = [list(arguments), str(cwd), dict(env), start_new_session]
    try:
        socket.send_fds(_preloaded(command_in(arguments) in COOPERATIVE), [json.dumps(request).encode()], [writer, log])
    finally:
        os.close(writer)
    return Service(["bringup", *arguments], reader)


def kill_group(process: "subprocess.Popen[bytes]") -> None:
    """End a service that has a session of its own, and its children. To stop as it should takes a second."""
    if process.poll() is None:
        with suppress(ProcessLookupError):  # it has ended meanwhile
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(180)


@cache
def _preloaded(patched: bool) -> socket.socket:  # noqa: FBT001 - the key of the cache
    """Where to ask for a fork; it ends when this process does."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    module = ["gevent.monkey", "--module", __name__] if patched else [__name__]
    with theirs:
        subprocess.Popen(
            # The last word is for the self-test, which knows our programs by their command line.
            [sys.executable, "-P", "-m", *module, str(theirs.fileno()), "bringup"],
            stdin=subprocess.DEVNULL,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
            pass_fds=[theirs.fileno()],
            start_new_session=True,
        )
    return ours


def _load(*, patched: bool) -> None:
    """Import what services do. Those of the API run where gevent has patched all before anything else was imported."""
    services = import_module("bringup_cli.commands.services")
    plain = ("bringup_cli.commands.tail", "dhcp_tailer.tailer", "bringup_cli.commands.simulate", services._RUNNER)
    # What logging imports with its first line, and gunicorn when it serves.
    served = (services._SERVER, "gunicorn.workers.ggevent", "gunicorn.glogging")
    for needed in ("bringup_cli.root", "bringup.log_lines", *(served if patched else plain)):
        import_module(needed)


def _serve(requests: int) -> None:
    """Fork for each request; return in the process that was asked for."""
    # Not as gevent has patched them: no event loop may begin here, it would not survive the fork.
    control = _socket.socket(fileno=requests)
    gc.freeze()
    while True:
        data, ancillary, _, _ = control.recvmsg(_LONGEST_REQUEST, _socket.CMSG_SPACE(8))
        if not data:
            os._exit(0)
        reports, log = memoryview(ancillary[0][2]).cast("i")
        if posix.fork() == 0:
            control.close()
            if _begin(json.loads(data), reports, log):
                return
        os.close(reports)
        os.close(log)
        _reap()


def _reap() -> None:
    while True:
        try:
            if posix.waitpid(-1, os.WNOHANG)[0] == 0:
                return
        except ChildProcessError:
            return


def _begin(request: tuple[list[str], str, dict[str, str], bool], reports: int, log: int) -> bool:
    """In the service itself: true, with all that it is given. In its parent: report on it, and end."""
    pid = posix.fork()
    if pid:
        os.close(log)
        os.write(reports, f"{pid}\n".encode())
        status = os.waitstatus_to_exitcode(posix.waitpid(pid, 0)[1])
        os.write(reports, f"{status}\n".encode())
        os._exit(0)
    arguments, folder, environ, new_session = request
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
    os.close(reports)
    if new_session:
        os.setsid()
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environ)
    # What a fresh interpreter reads of it before it runs anything of ours.
    time.tzset()
    sys.path[:0] = filter(None, environ.get("PYTHONPATH", "").split(os.pathsep))
    sys.argv = ["bringup", *arguments]
    return True


if __name__ == "__main__":
    # A shell that has the tests in the background lets them, and whatever they start, ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    _load(patched="gevent.monkey" in sys.modules)
    _serve(int(sys.argv[1]))
    import_module("bringup_cli").main()
