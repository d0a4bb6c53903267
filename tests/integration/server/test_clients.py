"""Whose connection is closed, and when: by a clock of the test's own, on real sockets."""

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from structlog.testing import capture_logs

from bringup.serving.connections import ClientConnection, ClientConnections

Connect = Callable[[str], tuple[ClientConnection, socket.socket]]
HERE, THERE = "192.0.2.1", "192.0.2.2"
HEADER_S = 10.0


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def clients(clock: Clock) -> ClientConnections:
    return ClientConnections(most=5, most_per_address=3, clock=clock)


@pytest.fixture
def connect(clients: ClientConnections) -> Iterator[Connect]:
    """A connection of an address, and the socket at its other end."""
    with ExitStack() as stack:

        def connected(address: str) -> tuple[ClientConnection, socket.socket]:
            ours, theirs = socket.socketpair()
            stack.callback(theirs.close)
            stack.callback(ours.close)
            theirs.settimeout(60)
            client = stack.enter_context(clients.connected(ours.fileno(), address, HEADER_S))
            return client, theirs

        yield connected


def is_closed(theirs: socket.socket) -> bool:
    theirs.settimeout(0)
    try:
        return theirs.recv(1) == b""
    except BlockingIOError:
        return False


def test_a_client_is_closed_when_its_time_is_over_and_not_before(
    clients: ClientConnections, connect: Connect, clock: Clock
) -> None:
    _, theirs = connect(HERE)
    clock.now = HEADER_S
    clients.close_overdue()
    assert not is_closed(theirs)
    clock.now += 0.1
    clients.close_overdue()
    assert is_closed(theirs)


def test_a_client_that_we_work_for_may_wait_for_ever(
    clients: ClientConnections, connect: Connect, clock: Clock
) -> None:
    client, theirs = connect(HERE)
    clients.at_work(client)
    clock.now = 1000 * HEADER_S
    clients.close_overdue()
    clients.close_waiting()
    assert not is_closed(theirs)


def test_what_a_client_does_gives_it_new_time(clients: ClientConnections, connect: Connect, clock: Clock) -> None:
    client, theirs = connect(HERE)
    clock.now = 9
    clients.expect(client, 20)
    clock.now = 28
    clients.close_overdue()
    assert not is_closed(theirs)
    clock.now = 30
    clients.close_overdue()
    assert is_closed(theirs)


def test_one_too_many_of_an_address_closes_the_longest_silent_of_this_address(
    clients: ClientConnections, connect: Connect
) -> None:
    others = connect(THERE)[1]
    first, second, third = (connect(HERE) for _ in range(3))
    clients.expect(first[0], HEADER_S)  # it has just done something: now the second is the longest silent
    newest = connect(HERE)[1]
    assert [is_closed(one) for one in (others, first[1], second[1], third[1], newest)] == [
        *(False, False, True),
        *(False, False),
    ]


def test_those_that_we_work_for_do_not_count(clients: ClientConnections, connect: Connect) -> None:
    for _ in range(3):
        clients.at_work(connect(HERE)[0])
    assert not is_closed(connect(HERE)[1])


def test_one_too_many_of_all_closes_the_longest_silent_of_all(clients: ClientConnections, connect: Connect) -> None:
    first = connect("192.0.2.9")[1]
    rest = [connect(f"192.0.2.{number}")[1] for number in range(5)]
    assert is_closed(first)
    assert not any(is_closed(one) for one in rest)


def test_a_connection_that_has_ended_takes_no_place(clients: ClientConnections) -> None:
    pairs = [socket.socketpair() for _ in range(10)]
    for ours, theirs in pairs:
        with clients.connected(ours.fileno(), HERE, HEADER_S):
            pass
        assert not is_closed(theirs)
        ours.close()
        theirs.close()


def test_a_descriptor_that_is_used_again_is_not_closed_for_its_former_client(
    clients: ClientConnections, clock: Clock
) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        with clients.connected(ours.fileno(), HERE, HEADER_S):
            clock.now = HEADER_S - 1
        with clients.connected(ours.fileno(), HERE, HEADER_S):
            clock.now = HEADER_S + 1
            clients.close_overdue()
            assert not is_closed(theirs)


def test_a_former_client_that_ends_late_leaves_the_new_one_of_its_descriptor_known(clients: ClientConnections) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, ExitStack() as late:
        late.enter_context(clients.connected(ours.fileno(), HERE, HEADER_S))
        with clients.connected(ours.fileno(), THERE, HEADER_S) as new:
            late.close()
            assert clients.of(ours.fileno()) is new


def test_a_flood_of_one_address_is_one_line_a_minute(
    clients: ClientConnections, connect: Connect, clock: Clock
) -> None:
    with capture_logs() as lines:
        for _ in range(20):
            connect(HERE)
        clock.now = 59
        connect(HERE)
        assert [line["address"] for line in lines] == [HERE]
        for _ in range(5):
            connect(THERE)
        clock.now = 61
        for _ in range(4):
            connect(HERE)
    assert [line["address"] for line in lines] == [HERE, THERE, HERE]
