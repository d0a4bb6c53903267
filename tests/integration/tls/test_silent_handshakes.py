"""Clients that begin a handshake, or do not, and wait: others are served all the same, and they are cut off."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from tests.integration.selftest.site import Site
from tests.integration.tls.conftest import Served

MANY = 60  # on 4 slots in one process
CALLS = 10
HALF_A_HELLO = bytes.fromhex("16030100c8010000c40303")
SENT = (b"", b"\x16", HALF_A_HELLO)


@contextmanager
def serving(site: Site, header_s: int) -> Iterator[Served]:
    with site.api(API_REQUIRE_CLIENT_CERT="false", API_THREADS="4", API_HEADER_TIMEOUT_S=str(header_s)) as changes:
        yield Served(site, int(str(changes["callback_api_port"])))


@contextmanager
def silent(port: int, sent: bytes, count: int) -> Iterator[list[socket.socket]]:
    with ExitStack() as opened:
        sockets = [opened.enter_context(socket.create_connection(("127.0.0.1", port), 60)) for _ in range(count)]
        for one in sockets:
            one.sendall(sent)
        yield sockets


def test_others_shake_hands_while_they_wait(site: Site) -> None:
    with serving(site, header_s=300) as served:
        for sent in SENT:
            with silent(served.port, sent, MANY) as sockets:
                assert [served.by("worker").call("GET", "/runs")[0] for _ in range(CALLS)] == [200] * CALLS
                for one in sockets:
                    one.settimeout(0)
                    assert not_ended(one), f"{sent!r}: they did not wait any more"


def not_ended(one: socket.socket) -> bool:
    try:
        return one.recv(1) != b""
    except BlockingIOError:
        return True


def test_each_is_cut_off_in_time(site: Site) -> None:
    with serving(site, header_s=1) as served:
        for sent in SENT:
            with silent(served.port, sent, 3) as sockets:
                for one in sockets:
                    while one.recv(4096):  # after 60 s this raises TimeoutError
                        pass
