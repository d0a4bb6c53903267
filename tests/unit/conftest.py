"""Unit tests open no socket, start no process and wait for no disk: what needs one is a test of tests/integration."""

import os
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import pytest

MOVE = "a unit test may not {}: move it to tests/integration"


def _refuse(what: str) -> NoReturn:
    raise AssertionError(MOVE.format(what))


@contextmanager
def sealed() -> Iterator[None]:
    """Within, opening a socket or starting a process raises, and nothing waits for the disk.

    No test pulls a plug: those on what is on the disk when, look at the calls. Threads that are older than this may go
    on, and those that they start: in one process with tests/integration there are some of an application that was made
    there.
    """
    others = set(threading.enumerate()) - {threading.current_thread()}

    def unless_of_others(original: Callable[..., Any], what: str) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            return original(*args, **kwargs) if threading.current_thread() in others else _refuse(what)

        return call

    start_thread = threading.Thread.start

    def start(thread: threading.Thread) -> None:
        if threading.current_thread() in others:
            others.add(thread)
        start_thread(thread)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(threading.Thread, "start", start)
        patch.setattr(socket.socket, "__init__", unless_of_others(socket.socket.__init__, "open a socket"))
        patch.setattr(subprocess.Popen, "__init__", unless_of_others(subprocess.Popen.__init__, "start a process"))
        patch.setattr(os, "fork", lambda: _refuse("start a process"))
        patch.setattr(os, "fsync", lambda _: None)
        yield


# Around the set-up too, which a fixture would come too late for: a fixture of the whole session may start a server.
@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup() -> Iterator[None]:
    """Set up a unit test, sealed."""
    with sealed():
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Iterator[None]:
    """Run a unit test, sealed."""
    with sealed():
        return (yield)
