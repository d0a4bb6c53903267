"""The seal around unit tests holds, in a test and in what sets it up."""

import os
import socket
import subprocess
from collections.abc import Callable

import pytest


def fork() -> None:
    """Fork; were it not refused, the child would end at once."""
    if os.fork() == 0:
        os._exit(0)


ESCAPES: dict[str, Callable[[], object]] = {
    "socket": socket.socket,
    "pair": socket.socketpair,
    "connection": lambda: socket.create_connection(("127.0.0.1", 9)),
    "run": lambda: subprocess.run(["true"], check=True),
    "fork": fork,
}


def refusal_of(escape: Callable[[], object]) -> str:
    with pytest.raises(AssertionError) as caught:
        escape()
    return str(caught.value)


@pytest.fixture(scope="session")
def refused_in_a_fixture() -> str:
    """What a fixture of the whole session gets for a process; it is set up before any fixture of a test."""
    return refusal_of(ESCAPES["run"])


@pytest.mark.parametrize("escape", ESCAPES)
def test_no_unit_test_opens_a_socket_or_starts_a_process(escape: str) -> None:
    assert "move it to tests/integration" in refusal_of(ESCAPES[escape])


def test_no_fixture_of_a_unit_test_starts_a_process(refused_in_a_fixture: str) -> None:
    assert "may not start a process" in refused_in_a_fixture
