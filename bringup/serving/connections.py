"""The open connections of one process: none makes us wait for ever, and no address holds all the places."""

import math
import socket
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from cryptography import x509

from bringup import log

# One line per address and minute: a flood of connections must not be a flood of lines.
_REPORT_EVERY_S = 60


@dataclass(eq=False)
class ClientConnection:
    """One connection.

    Args:
        deadline: by this time (monotonic clock, s) the client must have done its part; infinite while we work.
        certificate: what it presented, if anything.
    """

    fileno: int
    address: str
    deadline: float = math.inf
    certificate: x509.Certificate | None = None


class ClientConnections:
    """Knows for which clients this process waits, and since when; closes those that take too long or are too many.

    A closed connection is shut down in both directions: whatever reads or writes it then finds its end.

    Args:
        most: connections in all.
        most_per_address: connections of one address that may wait for their client at the same time.
        clock: monotonic seconds.
    """

    def __init__(self, most: int, most_per_address: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._most_per_address = most_per_address
        self._clock = clock
        self._open: dict[int, ClientConnection] = {}
        # Both in the order in which the clients last did something: the first has been silent for the longest time.
        self._waiting: dict[ClientConnection, None] = {}
        self._of_address: defaultdict[str, dict[ClientConnection, None]] = defaultdict(dict)
        self._reported: dict[str, float] = {}

    @contextmanager
    def connected(self, fileno: int, address: str, seconds: float) -> Iterator[ClientConnection]:
        """A new connection, until the end of the block.

        Args:
            fileno, address: of the connection.
            seconds: until its client must have sent something complete.
        """
        client = ClientConnection(fileno, address)
        self._open[fileno] = client
        # Before the newcomer waits itself, so that it is never the one that is closed.
        if len(self._open) > self._most:
            self._close_oldest(self._waiting)
        self.expect(client, seconds)
        try:
            yield client
        finally:
            self._forget(client)
            if self._open.get(fileno) is client:
                del self._open[fileno]

    def of(self, fileno: int) -> ClientConnection:
        """The connection with this descriptor."""
        return self._open[fileno]

    def expect(self, client: ClientConnection, seconds: float) -> None:
        """We wait for the client: to send, or to take what we send.

        Args:
            seconds: from now; then `close_overdue` closes it.
        """
        self._forget(client)
        of_address = self._of_address[client.address]
        if len(of_address) >= self._most_per_address:
            self._close_oldest(of_address)
        of_address[client] = self._waiting[client] = None
        client.deadline = self._clock() + seconds

    def at_work(self, client: ClientConnection) -> None:
        """The client waits for us, without a deadline."""
        self._forget(client)
        client.deadline = math.inf

    def certificates(self) -> dict[x509.Certificate, list[ClientConnection]]:
        """What the clients presented, and which connections they are."""
        found: defaultdict[x509.Certificate, list[ClientConnection]] = defaultdict(list)
        for client in self._open.values():
            if client.certificate:
                found[client.certificate].append(client)
        return dict(found)

    def close_overdue(self) -> None:
        """Close every connection whose client did not do its part in time."""
        now = self._clock()
        self.close(client for client in list(self._waiting) if client.deadline < now)

    def close_waiting(self) -> None:
        """Close every connection but those that we work for."""
        self.close(list(self._waiting))

    def close(self, clients: Iterable[ClientConnection]) -> None:
        """Close these connections now."""
        for client in clients:
            self._forget(client)
            _shut_down(client.fileno)

    def _close_oldest(self, waiting: dict[ClientConnection, None]) -> None:
        oldest = next(iter(waiting), None)
        if oldest is not None:
            self._report(oldest.address)
            self.close([oldest])

    def _forget(self, client: ClientConnection) -> None:
        self._waiting.pop(client, None)
        of_address = self._of_address.get(client.address, {})
        of_address.pop(client, None)
        if not of_address:
            self._of_address.pop(client.address, None)

    def _report(self, address: str) -> None:
        now = self._clock()
        if now < self._reported.get(address, -math.inf) + _REPORT_EVERY_S:
            return
        self._reported = {known: at for known, at in self._reported.items() if now < at + _REPORT_EVERY_S}
        self._reported[address] = now
        log.get("api").warning(
            "too many connections wait for their client: those of this address that were silent for longest are closed",
            address=address,
            hint="if these are honest machines behind one address, raise API_CONNECTIONS_PER_ADDRESS",
        )


def _shut_down(fileno: int) -> None:
    """Shut the connection itself, not our socket object: a greenlet that waits in it wakes and finds the end.

    `SSLSocket.shutdown` would take the object's TLS state away under that greenlet.
    """
    # It may be closed by the client at the same moment.
    with suppress(OSError), socket.fromfd(fileno, socket.AF_INET, socket.SOCK_STREAM) as same:
        same.shutdown(socket.SHUT_RDWR)
