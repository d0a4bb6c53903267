"""Clients that hold connections and send next to nothing: others are served all the same, and they are cut off."""

import http.client
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests.conftest import TOKEN
from tests.integration.server.conftest import ServedApi, StartApi

MANY = 60  # on 4 slots in one process
CALLS = 20
BODY = b"POST /api/v1/runs/guessed/%s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9999\r\n"
PUT_WITH_TOKEN = (
    b"PUT /api/v1/runs/02-00-00-00-00-01-1 HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    b"Content-Length: 9999\r\nAuthorization: Bearer " + TOKEN.encode() + b"\r\n\r\n{"
)
SENT = {
    "no byte": b"",
    "one byte": b"G",
    "half a header": b"GET / HTTP/1.1\r\nHost: ",
    "half a body to a path that was guessed": BODY % b"report" + b"\r\n{",
    "half a body where no token is needed": BODY % b"tls-failure" + b"\r\n{",
    "half a body that is being read": PUT_WITH_TOKEN,
}
Silent = Callable[..., list[socket.socket]]


@pytest.fixture
def silent() -> Iterator[Silent]:
    with ExitStack() as opened:

        def connect(port: int, sent: bytes, count: int, source: str = "127.0.0.1") -> list[socket.socket]:
            sockets = [
                opened.enter_context(socket.create_connection(("127.0.0.1", port), 60, (source, 0)))
                for _ in range(count)
            ]
            for one in sockets:
                one.sendall(sent)
            return sockets

        yield connect


def health(port: int, source: str = "127.0.0.1") -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60, source_address=(source, 0))
    try:
        connection.request("GET", "/api/v1/health")
        return connection.getresponse().status
    finally:
        connection.close()


def is_open(one: socket.socket) -> bool:
    one.settimeout(0)
    try:
        return one.recv(1) != b""
    except BlockingIOError:
        return True
    except ConnectionResetError:
        return False


@contextmanager
def serving(start_api: StartApi, **variables: str) -> Iterator[ServedApi]:
    served = start_api(api_threads="4", **variables)
    served.await_health()
    yield served


def test_others_are_served_while_they_wait(start_api: StartApi, silent: Silent) -> None:
    with serving(start_api, api_header_timeout_s="300") as served:
        for kind, sent in SENT.items():
            sockets = silent(served.port, sent, MANY)
            assert [health(served.port) for _ in range(CALLS)] == [200] * CALLS, kind
            assert all(is_open(one) for one in sockets), f"{kind}: they did not wait any more"


def test_each_is_cut_off_in_time(start_api: StartApi, silent: Silent) -> None:
    with serving(start_api, api_header_timeout_s="1", api_stall_timeout_s="1") as served:
        for one in [one for sent in SENT.values() for one in silent(served.port, sent, 3)]:
            while one.recv(4096):  # a refusal, or nothing; then the end. After 60 s this raises TimeoutError
                pass


def test_a_refusal_waits_for_the_body_so_that_refusing_is_not_asked_for_again_at_once(
    start_api: StartApi, silent: Silent
) -> None:
    with serving(start_api, api_header_timeout_s="300") as served:
        (refused,) = silent(served.port, BODY % b"report" + b"\r\n{", 1)
        refused.settimeout(1)
        with pytest.raises(TimeoutError):
            refused.recv(1)
        refused.settimeout(60)
        refused.sendall(b" " * 9998)
        assert refused.recv(4096).startswith(b"HTTP/1.1 401")


def test_one_address_holds_so_many_connections_and_loses_the_longest_silent_one(
    start_api: StartApi, silent: Silent
) -> None:
    with serving(start_api, api_header_timeout_s="300", api_connections_per_address="10") as served:
        (elsewhere,) = silent(served.port, b"G", 1, "127.0.0.3")
        first = silent(served.port, b"G", 10, "127.0.0.2")
        second = silent(served.port, b"G", 30, "127.0.0.2")
        assert [one.recv(1) for one in first + second[:20]] == [b""] * 30, "they are above the bound"
        assert is_open(elsewhere)
        assert all(is_open(one) for one in second[20:])
        assert [health(served.port, "127.0.0.2") for _ in range(CALLS)] == [200] * CALLS
        assert served.log.read_text().count("too many connections wait for their client") == 1


def test_it_stops_at_once_while_they_wait(start_api: StartApi, silent: Silent) -> None:
    with serving(start_api, api_header_timeout_s="300") as served:
        silent(served.port, b"G", MANY)
        health(served.port)
        served.process.terminate()
        assert served.process.wait(180) == 0
