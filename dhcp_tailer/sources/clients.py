"""What dnsmasq's log made us know of each client: enough to tell a new lease from a renewal."""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass

from bringup.model import LeaseAction

LIMIT = 100_000  # clients; the one that was silent the longest is forgotten first


@dataclass
class Client:
    """One MAC address."""

    ip: str | None = None  # of its last lease
    discovering: bool = False  # a DHCPDISCOVER since its last lease
    informing: str | None = None  # the address that it asks options for, RFC 2131 s.4.4.3


Row = tuple[str, tuple[str | None, bool, str | None]]


class Clients:
    """Bounded memory of clients, in the order in which they were last heard."""

    def __init__(self, rows: Iterable[Row] = (), limit: int = LIMIT) -> None:
        self._limit = limit
        self._clients = OrderedDict((mac, Client(*known)) for mac, known in rows)

    def discovers(self, mac: str) -> None:
        """A DHCPDISCOVER: its next lease is a new one."""
        client = self._heard(mac)
        client.discovering, client.informing = True, None

    def requests(self, mac: str) -> None:
        """A DHCPREQUEST: the next DHCPACK is a lease."""
        if mac in self._clients:
            self._clients[mac].informing = None

    def informs(self, mac: str, ip: str) -> None:
        """A DHCPINFORM: the next DHCPACK for ``ip`` only answers it."""
        self._heard(mac).informing = ip

    def acknowledged(self, mac: str, ip: str) -> LeaseAction | None:
        """A DHCPACK; None if it is no lease."""
        client = self._heard(mac)
        if client.informing == ip:
            client.informing = None
            return None
        new = client.discovering or client.ip != ip
        client.ip, client.discovering = ip, False
        return LeaseAction.ASSIGNED if new else LeaseAction.RENEWED

    def releases(self, mac: str) -> None:
        """A DHCPRELEASE: whatever is leased to it next is a new lease."""
        self._clients.pop(mac, None)

    def rows(self) -> list[Row]:
        """Everything, to be kept."""
        return [(mac, (c.ip, c.discovering, c.informing)) for mac, c in self._clients.items()]

    def _heard(self, mac: str) -> Client:
        client = self._clients.setdefault(mac, Client())
        self._clients.move_to_end(mac)
        if len(self._clients) > self._limit:
            self._clients.popitem(last=False)
        return client
