"""Unit tests open no socket, start no process and wait for no disk: what needs one is a test of tests/integration."""

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import pytest

MOVE = "a unit test may not {}: move it to tests/integration"


def _refuse(what: str) -> NoReturn:
    raise AssertionError(MOVE.format(what))


@contextmanager
def sealed() -> Iterator[None]:
    """Within, opening a socket or starting a process raises, and nothing waits for the disk.

    No test pulls a plug: those on what is on the disk when, look at the calls.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "__init__", lambda *_, **__: _refuse("open a socket"))
        patch.setattr(subprocess.Popen, "__init__", lambda *_, **__: _refuse("start a process"))
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
