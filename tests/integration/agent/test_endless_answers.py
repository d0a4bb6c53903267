"""A server that answers without an end does not hold the agent for ever."""

import http.client
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from agent import api as agent_api
from agent.api import Api
from agent.parameters import Parameters

Talk = Callable[[], Iterator[bytes]]
OK = b"HTTP/1.1 200 OK\r\n"


def one_byte_at_a_time() -> Iterator[bytes]:
    yield OK + b"Content-Length: 100000\r\n\r\n{"
    while True:
        yield b" "


def headers_without_an_end() -> Iterator[bytes]:
    yield OK + b"X-Long: "
    while True:
        yield b"x"


def wait_for_it() -> Iterator[bytes]:
    while True:
        yield b"HTTP/1.1 100 Continue\r\n\r\n"


@pytest.mark.parametrize("talk", [one_byte_at_a_time, headers_without_an_end, wait_for_it])
def test_a_call_ends_however_the_server_answers(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent_api, "CALL_TIMEOUT_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as sock:
        threading.Thread(target=_serve, args=(sock, talk), daemon=True).start()
        url = f"http://127.0.0.1:{sock.getsockname()[1]}/api/v1"
        api = Api(Parameters("02-00-00-00-00-01-1", url, "t", 0), None, "t")
        started = time.monotonic()
        with suppress(OSError, http.client.HTTPException):
            assert api.post("heartbeat", {}).body == {}
        assert time.monotonic() - started < 60


def _serve(sock: socket.socket, talk: Talk) -> None:
    with sock.accept()[0] as caller, suppress(OSError):
        caller.recv(65536)
        for piece in talk():
            caller.sendall(piece)
            time.sleep(0.05)
