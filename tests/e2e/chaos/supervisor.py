"""Keeps services running as systemd would: what ends is started again."""

import os
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from threading import Event, Lock, Thread

from bringup_cli.demo.stack import Stack
from tests.e2e.chaos.record import Record

_RESTART_S = 0.5  # what Restart=always is often given: long enough not to spin, short enough not to be the outage
_LOOK_S = 0.02
_AGAIN_S = 15.0  # a service that is not started again by then is a fault of this test


class Supervisor:
    """Runs services of a stack and starts each again when it ends.

    Args:
        services: command and arguments of each service, by a name of its own.
        record: gets a line for each end that nobody asked for.
    """

    def __init__(self, stack: Stack, services: Mapping[str, tuple[str, ...]], record: Record) -> None:
        self._stack = stack
        self._services = services
        self._record = record
        self._stopping = Event()
        self._lock = Lock()  # a service that is being started again has no process to kill or to ask
        self._killed: set[int] = set()  # ends that were ours
        self._thread = Thread(target=self._watch, name="supervisor", daemon=True)

    def start(self) -> None:
        """Start every service, then watch them."""
        for name in self._services:
            self._spawn(name)
        self._thread.start()

    def kill(self, name: str) -> None:
        """SIGKILL to the service and all its processes; returns when it has been started again."""
        pid = self.pid(name)
        self._killed.add(pid)
        with suppress(ProcessLookupError):  # it has just ended, and is started again now
            os.killpg(pid, signal.SIGKILL)
        deadline = time.monotonic() + _AGAIN_S
        while self.pid(name) == pid and time.monotonic() < deadline:
            time.sleep(_LOOK_S)

    def kill_child(self, name: str) -> None:
        """SIGKILL to one process that the service has started; bringing it back is the service's affair."""
        pid = self.pid(name)
        children = Path(f"/proc/{pid}/task/{pid}/children")
        with suppress(FileNotFoundError, ProcessLookupError):
            for child in children.read_text().split()[:1]:
                os.kill(int(child), signal.SIGKILL)

    def stop(self) -> None:
        """Stop watching, then end every service by SIGTERM; a service that does not end well is recorded."""
        self._stopping.set()
        self._thread.join()
        for name in reversed(list(self._services)):
            status = self._stack.stop(name)
            if status:
                self._record.problem(f"{name} ended with status {status} on SIGTERM")

    def pid(self, name: str) -> int:
        """The process id of the service as it runs now."""
        with self._lock:
            return self._stack.pid(name)

    def _watch(self) -> None:
        while not self._stopping.wait(_LOOK_S):
            for name in self._services:
                with self._lock:
                    runs = self._stack.runs(name)
                if not runs:
                    self._restart(name)

    def _restart(self, name: str) -> None:
        time.sleep(_RESTART_S)
        with self._lock:
            pid, status = self._stack.pid(name), self._stack.stop(name)
            if pid not in self._killed:
                self._record.problem(f"{name} ended by itself with status {status}")
            self._spawn(name)

    def _spawn(self, name: str) -> None:
        service, *arguments = self._services[name]
        self._stack.spawn(service, *arguments, name=name)
