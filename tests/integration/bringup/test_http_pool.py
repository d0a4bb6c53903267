"""Connections to the API, against servers that drip, hang, close and cut short."""

import gzip
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from bringup.connections.http_pool import HttpPool
from bringup.connections.http_reply import HttpReply

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
BEGUN = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"
# Seconds between two bytes, and for one wait: each wait of the client is far shorter than it may be.
DRIP_S, ANSWER_S = 0.02, 0.5
# What a server does with its n-th connection, once it has read a request.
Conduct = Callable[[socket.socket, int], None]


class Server:
    """Does with each connection what it is given, and keeps what it was sent."""

    def __init__(self, conduct: Conduct) -> None:
        self.requests: list[bytes] = []
        self.stopping = threading.Event()
        self._conduct, self._listener = conduct, socket.create_server(("127.0.0.1", 0))
        self.base = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            for number in range(1000):
                connection, _ = self._listener.accept()
                threading.Thread(target=self._answer, args=(connection, number), daemon=True).start()

    def _answer(self, connection: socket.socket, number: int) -> None:
        with suppress(OSError), connection:
            while request := connection.recv(65536):
                self.requests.append(request)
                self._conduct(connection, number)

    def close(self) -> None:
        self.stopping.set()
        self._listener.close()


@pytest.fixture
def serve() -> Iterator[Callable[[Conduct], Server]]:
    started: list[Server] = []

    def start(conduct: Conduct) -> Server:
        started.append(Server(conduct))
        return started[-1]

    yield start
    for server in started:
        server.close()


Serve = Callable[[Conduct], Server]


def pool_of(server: Server, *, answer_s: float = 60) -> HttpPool:
    return HttpPool(server.base, context_now=None, connect_s=60, answer_s=answer_s, most_idle=2)


def get(pool: HttpPool, path: str = "/") -> HttpReply:
    return pool.exchange("GET", path, None, {"Accept-Encoding": "gzip"})


def sends(*parts: bytes) -> Conduct:
    def conduct(connection: socket.socket, _number: int) -> None:
        for part in parts:
            connection.sendall(part)

    return conduct


@pytest.mark.parametrize("begun", [b"", BEGUN], ids=["in its headers", "in its body"])
def test_a_reply_that_drips_ends_at_the_deadline(serve: Serve, begun: bytes) -> None:
    stopping = threading.Event()

    def drip(connection: socket.socket, _number: int) -> None:
        connection.sendall(begun)
        while not stopping.wait(DRIP_S):
            connection.sendall(b"H")

    server = serve(drip)
    with pytest.raises(TimeoutError, match=r"did not end in time|timed out"):
        get(pool_of(server, answer_s=ANSWER_S))
    stopping.set()
    assert len(server.requests) == 1, "what hangs is not asked again"


def test_a_server_that_hangs_is_asked_once(serve: Serve) -> None:
    server = serve(lambda _connection, _number: None)
    with pytest.raises(TimeoutError):
        get(pool_of(server, answer_s=ANSWER_S))
    assert len(server.requests) == 1


def test_a_connection_is_kept_for_the_next_call(serve: Serve) -> None:
    connections: set[int] = set()

    def conduct(connection: socket.socket, number: int) -> None:
        connections.add(number)
        connection.sendall(OK)

    pool = pool_of(serve(conduct))
    assert [get(pool).content for _ in range(3)] == [b"ok"] * 3
    assert connections == {0}


def test_a_kept_connection_that_the_server_closes_costs_no_call(serve: Serve) -> None:
    def conduct(connection: socket.socket, number: int) -> None:
        if number == 0 and len(server.requests) == 2:
            connection.close()
        else:
            connection.sendall(OK)

    server = serve(conduct)
    pool = pool_of(server)
    assert [get(pool).content, get(pool).content] == [b"ok", b"ok"]
    assert len(server.requests) == 3


def test_a_server_that_always_closes_is_asked_twice_and_no_more(serve: Serve) -> None:
    server = serve(lambda connection, _number: connection.close())
    with pytest.raises(ConnectionError):
        get(pool_of(server))
    assert len(server.requests) == 2


def test_a_connection_that_its_reply_closes_is_not_used_again(serve: Serve) -> None:
    closing = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"
    pool = pool_of(serve(sends(closing)))
    assert [get(pool).content, get(pool).content] == [b"ok", b"ok"]


def test_a_reply_in_chunks_is_read_whole(serve: Serve) -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    pool = pool_of(serve(sends(chunked)))
    assert [get(pool).content, get(pool).content] == [b"abcde"] * 2


@pytest.mark.parametrize("is_packed", [True, False])
def test_a_reply_that_ends_too_early_is_none(serve: Serve, *, is_packed: bool) -> None:
    whole = gzip.compress(bytes(100_000)) if is_packed else bytes(100_000)
    kind = b"Content-Encoding: gzip\r\n" if is_packed else b""
    length = len(whole) // 2 if is_packed else len(whole)

    def conduct(connection: socket.socket, _number: int) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n%sContent-Length: %d\r\n\r\n" % (kind, length))
        connection.sendall(whole[: len(whole) // 2])
        connection.close()

    with pytest.raises(Exception, match=r"ends too early|IncompleteRead"):
        get(pool_of(serve(conduct)))


def test_what_a_person_types_is_escaped_in_the_address_and_forges_no_request(serve: Serve) -> None:
    server = serve(sends(OK))
    get(pool_of(server), "/devices/r 1\r\nHost: x/ä%41")
    assert server.requests[0].split(b"\r\n")[0] == b"GET /devices/r%201%0D%0AHost:%20x/%C3%A4%41 HTTP/1.1"
    assert server.requests[0].count(b"Host:") == 2  # ours, and the one within the address
