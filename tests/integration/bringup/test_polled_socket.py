"""A polled TLS socket behaves as Python's own: it reads and writes all, in time, and sees the end."""

import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from threading import Thread

import pytest

from bringup import tls
from bringup.connections.polled_socket import PolledSocket
from bringup.peer_role import ServerRole
from pki.names import STANDARD, parse_san
from pki.setup import Wanted
from pki.store import Store
from tests.conftest import MakeSettings
from tests.unit.pki import kit

_LARGE = bytes(range(256)) * 16384  # 4 MiB: far more than two sockets hold
_SHORT_S, _LONG_S = 0.05, 60.0


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    here = (parse_san("127.0.0.1"),)
    wanted = [Wanted(one, here if one.role.is_server else ()) for one in STANDARD]
    return kit.init_pki(tmp_path_factory.mktemp("polled") / "pki", datetime.now(UTC), wanted=wanted)


class Pair:
    """A polled client, the other side of its connection, and what lies below that: a plain socket."""

    def __init__(self, server: ssl.SSLContext, client: ssl.SSLContext) -> None:
        ours, theirs = socket.socketpair()
        ours.settimeout(_LONG_S)
        self.other = server.wrap_socket(theirs, server_side=True, do_handshake_on_connect=False)
        handshake = Thread(target=self.other.do_handshake)
        handshake.start()
        secured = client.wrap_socket(ours, server_hostname="127.0.0.1")
        handshake.join()
        self.polled = PolledSocket(secured)

    def close(self) -> None:
        self.polled.close()
        self.other.close()


@pytest.fixture
def pair(make_settings: MakeSettings, store: Store) -> Iterator[Pair]:
    own = store.files(STANDARD[1])
    client = tls.ClientContexts().get(ServerRole.API, store.ca_certificate, own.certificate, own.key)
    made = Pair(tls.ServerContexts(make_settings(api_use_tls="true", pki_dir=store.root)).get(), client)
    yield made
    made.close()


def received(pair: Pair, count: int, room: int) -> bytes:
    """So many bytes, read into a buffer of ``room``."""
    found, buffer = b"", bytearray(room)
    while len(found) < count:
        part = pair.polled.recv_into(buffer)
        assert part, "the other side has closed"
        found += buffer[:part]
    return found


def test_it_keeps_the_timeout_of_its_socket(pair: Pair) -> None:
    assert pair.polled.gettimeout() == _LONG_S


@pytest.mark.parametrize("room", [7, 65536])
def test_a_record_that_is_larger_than_the_buffer_is_read_to_its_end(pair: Pair, room: int) -> None:
    pair.other.sendall(_LARGE[:10_000])
    assert received(pair, 10_000, room) == _LARGE[:10_000]
    assert pair.polled.pending() == 0


def test_what_is_left_of_a_record_is_pending(pair: Pair) -> None:
    pair.other.sendall(b"abcdef")
    assert received(pair, 4, 4) == b"abcd"
    assert pair.polled.pending() == 2
    assert received(pair, 2, 4) == b"ef"


def test_all_is_sent_although_there_is_no_room_for_it(pair: Pair) -> None:
    sending = Thread(target=pair.polled.sendall, args=(_LARGE,))
    sending.start()
    found = bytearray()
    while len(found) < len(_LARGE):
        found += pair.other.recv(65536)
    sending.join()
    assert found == _LARGE


def test_all_is_received_although_it_comes_in_many_records(pair: Pair) -> None:
    sending = Thread(target=pair.other.sendall, args=(_LARGE,))
    sending.start()
    assert received(pair, len(_LARGE), 65536) == _LARGE
    sending.join()


def test_a_read_ends_when_nothing_comes_in_time(pair: Pair) -> None:
    pair.polled.settimeout(_SHORT_S)
    with pytest.raises(TimeoutError):
        pair.polled.recv_into(bytearray(9))


def test_a_write_ends_when_there_is_no_room_in_time(pair: Pair) -> None:
    pair.polled.settimeout(_SHORT_S)
    with pytest.raises(TimeoutError):
        pair.polled.sendall(_LARGE)


def test_a_read_ends_in_time_although_a_part_of_a_record_has_come(pair: Pair) -> None:
    below = socket.socket(fileno=pair.other.detach())
    with below:
        below.sendall(b"\x17\x03\x03\x00\x40part")  # application data, 64 bytes of it, of which four come
        pair.polled.settimeout(_SHORT_S)
        with pytest.raises(TimeoutError):
            pair.polled.recv_into(bytearray(9))


def test_a_read_without_a_timeout_waits(pair: Pair) -> None:
    pair.polled.settimeout(None)
    sending = Thread(target=pair.other.sendall, args=(b"late",))
    sending.start()
    assert received(pair, 4, 9) == b"late"
    sending.join()


def test_with_a_timeout_of_zero_nothing_is_waited_for(pair: Pair) -> None:
    pair.polled.settimeout(0)
    with pytest.raises(ssl.SSLWantReadError):
        pair.polled.recv_into(bytearray(9))
    with pytest.raises(ssl.SSLWantWriteError):
        pair.polled.sendall(_LARGE)


@pytest.mark.parametrize("in_order", [True, False])
def test_the_end_of_the_connection_is_no_bytes(pair: Pair, *, in_order: bool) -> None:
    if in_order:
        pair.other.settimeout(0)
        with pytest.raises(ssl.SSLWantReadError):
            pair.other.unwrap()  # it has sent its end, and waits for ours
    else:
        pair.other.close()
    assert pair.polled.recv_into(bytearray(9)) == 0


def test_what_else_is_asked_of_it_is_asked_of_its_socket(pair: Pair) -> None:
    assert pair.polled.fileno() == pair.polled._sock.fileno()
    assert pair.polled.getpeercert() == pair.polled._sock.getpeercert()
