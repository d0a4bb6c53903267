"""Connections to the API, against servers that drip, hang, close and cut short."""

import gzip
import http.client
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any
from unittest.mock import Mock

import pytest

from bringup.connections import http_reply, recent_context
from bringup.connections.http_pool import HttpPool
from bringup.connections.http_reply import HttpReply, ReplyTooLargeError
from bringup.connections.received import Received
from tests.conftest import free_port
from tests.integration.workers.site import eventually

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
        # No port that another test on this machine picks for a server which it then waits for.
        self._conduct, self._listener = conduct, socket.create_server(("127.0.0.1", free_port()))
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

    def await_request(self, number: int = 1) -> None:
        """Until so many have come: a client may give up before its request was read."""
        eventually(lambda: len(self.requests) >= number, 60, "the request is read")

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
    server.await_request()
    assert len(server.requests) == 1, "what hangs is not asked again"


@pytest.mark.parametrize(("left_s", "most_s"), [(100, 100), (10_000, 600)])
def test_no_wait_for_a_part_of_a_reply_lasts_beyond_the_deadline_of_the_whole(left_s: float, most_s: float) -> None:
    far, near = socket.socketpair()
    with near, Received(near, answer_s=600, until=time.monotonic() + left_s) as received:
        with far:
            far.sendall(b"a part")
            assert received.peek() == b"a part"
        assert 0 < (near.gettimeout() or 0) <= most_s


def test_a_server_that_hangs_is_asked_once(serve: Serve) -> None:
    server = serve(lambda _connection, _number: None)
    with pytest.raises(TimeoutError):
        get(pool_of(server, answer_s=ANSWER_S))
    server.await_request()
    assert len(server.requests) == 1


def test_a_request_is_sent_with_its_body_in_one_piece(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[bytes] = []
    unpatched = http.client.HTTPConnection.send

    def send(connection: http.client.HTTPConnection, data: bytes) -> None:
        sent.append(data)
        unpatched(connection, data)

    monkeypatch.setattr(http.client.HTTPConnection, "send", send)
    pool_of(serve(sends(OK))).exchange("POST", "/", b"the body", {})
    assert [data.partition(b"\r\n\r\n")[2] for data in sent] == [b"the body"]


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


UNCLEAR = {
    "two lengths": b"Content-Length: 2\r\nContent-Length: 40\r\n\r\nok",
    "a length and chunks": b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "another coding": b"Content-Length: 2\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "a chunk of -1 bytes": b"Transfer-Encoding: chunked\r\n\r\n-1\r\nok\r\n0\r\n\r\n",
    "a chunk of -5 bytes": b"Transfer-Encoding: chunked\r\n\r\n-5\r\nok\r\n0\r\n\r\n",
    "more behind gzip": b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"ok") + bytes(200_000),
}


@pytest.mark.parametrize("rest", UNCLEAR.values(), ids=UNCLEAR.keys())
def test_a_reply_without_a_clear_end_is_none(serve: Serve, rest: bytes) -> None:
    with pytest.raises(http.client.HTTPException, match=r"no clear end|no size|after its end"):
        get(pool_of(serve(sends(b"HTTP/1.1 200 OK\r\n" + rest))))


def test_the_rest_of_a_long_reply_answers_no_other_call(serve: Serve) -> None:
    connections: list[int] = []

    def conduct(connection: socket.socket, number: int) -> None:
        connections.append(number)
        connection.sendall(OK + b"HTTP/1.1 200 ")  # and what follows comes when the next call waits

    pool = pool_of(serve(conduct))
    assert [get(pool).content, get(pool).content] == [b"ok", b"ok"]
    assert connections == [0, 1]


def test_the_final_reply_behind_an_interim_one_answers_no_other_call(serve: Serve) -> None:
    connections: list[int] = []

    def conduct(connection: socket.socket, number: int) -> None:
        connections.append(number)
        connection.sendall(b"HTTP/1.1 103 Early Hints\r\n\r\n")  # the final one comes when the next call waits

    pool = pool_of(serve(conduct))
    for _ in range(2):
        with pytest.raises(http.client.HTTPException, match="no clear end"):
            get(pool)
    assert connections == [0, 1]


def test_a_body_that_is_refused_before_it_was_read_gets_the_refusal(serve: Serve) -> None:
    def refuse(connection: socket.socket, _number: int) -> None:
        connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig")
        connection.close()  # with a reset, for most of the body was not read

    server = serve(refuse)
    reply = pool_of(server).exchange("POST", "/", bytes(20_000_000), {})
    assert (reply.status_code, reply.content) == (413, b"big")
    assert len(server.requests) == 1


def test_a_token_of_other_letters_is_sent_for_the_server_to_refuse(serve: Serve) -> None:
    server = serve(sends(OK))
    pool_of(server).exchange("GET", "/", None, {"Authorization": "Bearer Ж"})
    assert "Authorization: Bearer Ж\r\n".encode() in server.requests[0]


def test_a_reply_without_content_may_be_called_compressed(serve: Serve) -> None:
    server = serve(sends(b"HTTP/1.1 204 No Content\r\nContent-Encoding: gzip\r\n\r\n"))
    assert get(pool_of(server)).content == b""


def test_a_handshake_that_a_server_ends_as_it_stops_is_begun_once_more(serve: Serve) -> None:
    server = serve(lambda connection, _number: connection.close())
    context = ssl.create_default_context()
    base = server.base.replace("http:", "https:")
    with pytest.raises(ssl.SSLEOFError):
        get(HttpPool(base, context_now=lambda: context, connect_s=60, answer_s=60, most_idle=2))
    server.await_request(2)
    assert len(server.requests) == 2, "and no more"


@pytest.mark.parametrize(("base", "port"), [("https://[::1]", 443), ("http://[::1]/x", 80), ("https://h:5000", 5000)])
def test_an_address_without_a_port_means_that_of_its_scheme(
    base: str, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, int]] = []

    def refuse(address: tuple[str, int], *_: object, **__: object) -> socket.socket:
        asked.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "create_connection", refuse)
    context = ssl.create_default_context()
    now = (lambda: context) if base.startswith("https") else None
    with pytest.raises(ConnectionRefusedError):
        get(HttpPool(base, context_now=now, connect_s=60, answer_s=60, most_idle=2))
    assert asked == [("h" if "h:" in base else "::1", port)]


def test_a_kept_connection_that_hangs_is_not_tried_again_by_another(serve: Serve) -> None:
    def conduct(connection: socket.socket, _number: int) -> None:
        if len(server.requests) == 1:
            connection.sendall(OK)

    server = serve(conduct)
    pool = pool_of(server)
    get(pool)
    pool._answer_s = ANSWER_S
    with pytest.raises(TimeoutError):
        get(pool)
    server.await_request(2)
    assert len(server.requests) == 2


def test_a_server_that_is_not_there_is_not_tried_twice(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[object] = []

    def refuse(address: object, *_args: object) -> socket.socket:
        tried.append(address)
        raise ConnectionRefusedError

    pool = pool_of(serve(sends(OK)))
    monkeypatch.setattr(socket, "create_connection", refuse)
    with pytest.raises(ConnectionRefusedError):
        get(pool)
    assert len(tried) == 1


def test_a_connection_with_an_answer_to_nothing_is_not_used_again(serve: Serve) -> None:
    proceed = threading.Event()

    def conduct(connection: socket.socket, number: int) -> None:
        connection.sendall(OK)
        if number == 0 and proceed.wait(180):
            connection.sendall(OK.replace(b"ok", b"no"))

    pool = pool_of(serve(conduct))
    assert get(pool).content == b"ok"
    proceed.set()
    assert select.select([pool._idle[0].sock], [], [], 60)[0]
    assert get(pool).content == b"ok"


def test_no_more_connections_are_kept_than_a_client_has_threads(serve: Serve) -> None:
    together = threading.Barrier(4)

    def conduct(connection: socket.socket, _number: int) -> None:
        together.wait(180)
        connection.sendall(OK)

    pool = pool_of(serve(conduct))
    threads = [threading.Thread(target=get, args=(pool,), daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(pool._idle) == 2


@pytest.mark.parametrize("is_packed", [True, False])
def test_a_reply_that_is_too_large_is_not_read_to_its_end(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, *, is_packed: bool
) -> None:
    body = gzip.compress(bytes(100_000)) if is_packed else bytes(100_000)
    kind = b"Content-Encoding: gzip\r\n" if is_packed else b""
    monkeypatch.setattr(http_reply, "read", partial(http_reply.read, max_bytes=70_000))
    server = serve(sends(b"HTTP/1.1 200 OK\r\n%sContent-Length: %d\r\n\r\n" % (kind, len(body)), body))
    with pytest.raises(ReplyTooLargeError):
        get(pool_of(server))


def test_a_bomb_in_gzip_is_unpacked_a_block_at_a_time(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks: list[int] = []

    def measure(response: http.client.HTTPResponse) -> HttpReply:
        blocks.extend(map(len, http_reply._unpacked(response)))
        return HttpReply(response.status, response.reason, response.headers, b"")

    body = gzip.compress(bytes(1_000_000))
    monkeypatch.setattr(http_reply, "read", measure)
    get(
        pool_of(
            serve(sends(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body), body))
        )
    )
    assert (sum(blocks), max(blocks)) == (1_000_000, 65_536)


class Plain:
    """In place of a TLS context."""

    def wrap_socket(self, connection: socket.socket, **_options: object) -> socket.socket:
        return connection


def test_the_files_of_an_open_connection_are_looked_at_ten_times_a_second(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, now = Mock(return_value=time.monotonic()), Mock(return_value=Plain())
    monkeypatch.setattr(recent_context, "time", Mock(monotonic=clock))
    pool: Any = HttpPool(serve(sends(OK)).base, context_now=now, connect_s=60, answer_s=60, most_idle=2)
    get(pool)
    (first,), looks = pool._idle, now.call_count
    get(pool)
    assert (pool._idle, now.call_count) == ([first], looks)
    clock.return_value += 0.1
    get(pool)
    assert (pool._idle, now.call_count) == ([first], looks + 1)
    now.return_value = Plain()
    clock.return_value += 0.1
    get(pool)
    assert pool._idle != [first], "it is used although its files have changed"


def test_a_new_connection_looks_at_its_files(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, now = Mock(return_value=time.monotonic()), Mock(return_value=Plain())
    monkeypatch.setattr(recent_context, "time", Mock(monotonic=clock))
    pool: Any = HttpPool(serve(sends(OK)).base, context_now=now, connect_s=60, answer_s=60, most_idle=2)
    get(pool)
    pool._idle.pop().close()
    now.return_value = Plain()
    get(pool)
    assert [one.context for one in pool._idle] == [now.return_value]


def test_a_connection_of_earlier_certificates_is_not_kept_when_its_call_ends(serve: Serve) -> None:
    contexts: list[Any] = [Plain()]

    def conduct(connection: socket.socket, number: int) -> None:
        if number == 0:  # while this call is under way the files are renewed, and another call sees it
            contexts.append(Plain())
            get(pool)
        connection.sendall(OK)

    server = serve(conduct)
    pool = HttpPool(server.base, context_now=lambda: contexts[-1], connect_s=60, answer_s=60, most_idle=2)
    get(pool)
    assert [one.context for one in pool._idle] == [contexts[-1]]
