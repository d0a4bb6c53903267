"""What earlier records showed of clients, leases and transactions: enough to distinguish new leases and renewals."""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from bringup.model import LeaseAction

# Clients of a log: 29 MB in memory and 5 MB in the checkpoint. The one that was silent the longest is dropped first,
# and its next renewal counts as a new lease.
CLIENT_LIMIT = 100_000
# Leases in force at once, more than a /15 network holds: 67 MB in memory and 12 MB in the checkpoint. The one that was
# silent the longest is dropped first, and its next renewal counts as a new lease.
LEASE_LIMIT = 200_000
# Transactions at once. One lasts seconds; a client can begin any number, and the oldest is dropped first.
TRANSACTION_LIMIT = 1000
# The keys of rows that are gone, and those that have changed, in the order of their last use.
RowT = TypeVar("RowT")
Changes = tuple[list[str], list[RowT]]


@dataclass(slots=True)
class Client:
    """One MAC address."""

    ip: str | None = None  # of its last lease
    discovering: bool = False  # a DHCPDISCOVER since its last lease
    informing: str | None = None  # the address that it asks options for, RFC 2131 s.4.4.3


ClientRow = tuple[str, tuple[str | None, bool, str | None]]


class Clients:
    """The clients of a log, in the order of their last messages.

    Args:
        rows: of an earlier `rows`.
        limit: clients held at most.
    """

    def __init__(self, rows: Iterable[ClientRow] = (), limit: int = CLIENT_LIMIT) -> None:
        self._limit = limit
        self._clients = OrderedDict((mac, Client(*known)) for mac, known in rows)
        self._changed: set[str] = set()

    def discovers(self, mac: str) -> None:
        """A DHCPDISCOVER: its next lease is a new one."""
        client = self._latest(mac)
        client.discovering, client.informing = True, None

    def requests(self, mac: str) -> None:
        """A DHCPREQUEST: the next DHCPACK is a lease."""
        if (client := self._clients.get(mac)) and client.informing:
            self._latest(mac).informing = None

    def informs(self, mac: str, ip: str) -> None:
        """A DHCPINFORM: the next DHCPACK for ``ip`` only answers it."""
        self._latest(mac).informing = ip

    def acknowledged(self, mac: str, ip: str) -> LeaseAction | None:
        """A DHCPACK; None if it is no lease."""
        client = self._latest(mac)
        if client.informing == ip:
            client.informing = None
            return None
        new = client.discovering or client.ip != ip
        client.ip, client.discovering = ip, False
        return LeaseAction.ASSIGNED if new else LeaseAction.RENEWED

    def releases(self, mac: str) -> None:
        """A DHCPRELEASE: whatever is leased to it next is a new lease."""
        self._clients.pop(mac, None)
        self._changed.add(mac)

    def rows(self) -> list[ClientRow]:
        """Everything, to be kept in the checkpoint."""
        return [_client_row(mac, client) for mac, client in self._clients.items()]

    def changes(self) -> Changes[ClientRow]:
        """What has changed since the last call."""
        gone, changed = _changes(self._clients, self._changed)
        return gone, [_client_row(mac, self._clients[mac]) for mac in changed]

    def apply(self, changes: Changes[ClientRow]) -> None:
        """Make changes that an earlier tailer has made."""
        gone, rows = changes
        for mac in (*gone, *(row[0] for row in rows)):
            self._clients.pop(mac, None)
        self._clients.update((mac, Client(*known)) for mac, known in rows)

    def _latest(self, mac: str) -> Client:
        self._changed.add(mac)
        if client := self._clients.get(mac):
            self._clients.move_to_end(mac)
            return client
        client = self._clients[mac] = Client()
        if len(self._clients) > self._limit:
            self._changed.add(self._clients.popitem(last=False)[0])
        return client


def _client_row(mac: str, client: Client) -> ClientRow:
    return mac, (client.ip, client.discovering, client.informing)


class Lease(NamedTuple):
    """A lease in force."""

    mac: str
    starts: int  # seconds since the epoch
    ends: int | None  # the same; None: never


LeaseRow = tuple[str, str, int, int | None]


class Leases:
    """The leases in force in a lease file, by address.

    Args:
        rows: of an earlier `rows`.
        limit: leases held at most.
    """

    def __init__(self, rows: Iterable[LeaseRow] = (), limit: int = LEASE_LIMIT) -> None:
        self._limit = limit
        self._leases = OrderedDict((ip, Lease(mac, starts, ends)) for ip, mac, starts, ends in rows)
        self._changed: set[str] = set()

    def get(self, ip: str) -> Lease | None:
        """The lease of ``ip`` that is in force."""
        return self._leases.get(ip)

    def in_force(self, ip: str, lease: Lease) -> LeaseAction | None:
        """``lease`` is in force; None if that is known."""
        known = self._leases.get(ip)
        self._leases[ip] = lease
        self._leases.move_to_end(ip)
        self._changed.add(ip)
        if len(self._leases) > self._limit:
            self._changed.add(self._leases.popitem(last=False)[0])
        if known == lease:
            return None
        return LeaseAction.RENEWED if known and _continues(known, lease) else LeaseAction.ASSIGNED

    def over(self, ip: str, at: int | None) -> tuple[Lease, LeaseAction] | None:
        """The address is free since ``at`` (seconds since the epoch); None if no lease of it was known."""
        lease = self._leases.pop(ip, None)
        if lease is None:
            return None
        self._changed.add(ip)
        early = lease.ends is None or (at is not None and at < lease.ends)
        return lease, LeaseAction.RELEASED if early else LeaseAction.EXPIRED

    def rows(self) -> list[LeaseRow]:
        """Everything, to be kept in the checkpoint."""
        return [(ip, *lease) for ip, lease in self._leases.items()]

    def changes(self) -> Changes[LeaseRow]:
        """What has changed since the last call."""
        gone, changed = _changes(self._leases, self._changed)
        return gone, [(ip, *self._leases[ip]) for ip in changed]

    def apply(self, changes: Changes[LeaseRow]) -> None:
        """Make changes that an earlier tailer has made."""
        gone, rows = changes
        for ip in (*gone, *(row[0] for row in rows)):
            self._leases.pop(ip, None)
        self._leases.update((ip, Lease(mac, starts, ends)) for ip, mac, starts, ends in rows)


def _continues(known: Lease, lease: Lease) -> bool:
    """Whether ``lease`` renews ``known``: a client that comes back after its end has a new one."""
    return known.mac == lease.mac and (known.ends is None or lease.starts <= known.ends)


@dataclass
class Transaction:
    """One exchange between a client and the server."""

    mac: str | None = None
    vendor_class: str | None = None
    hostname: str | None = None
    circuit_id: str | None = None


TransactionRow = tuple[str, tuple[str | None, str | None, str | None, str | None]]


class Transactions:
    """What log-dhcp writes of a transaction before its DHCPACK, by its id, which a client chooses as it likes."""

    def __init__(self, rows: Iterable[TransactionRow] = (), limit: int = TRANSACTION_LIMIT) -> None:
        self._limit = limit
        self._open = OrderedDict((xid, Transaction(*known)) for xid, known in rows)

    def vendor_class(self, xid: str, text: str | None) -> None:
        """Option 60 of the message that comes next."""
        self._under_way(xid).vendor_class = text

    def hostname(self, xid: str, text: str | None) -> None:
        """Option 12 of the message that comes next."""
        self._under_way(xid).hostname = text

    def circuit_id(self, xid: str, text: str | None) -> None:
        """Option 82.1, in what was sent to the client of the last message."""
        if (known := self._open.get(xid)) and known.mac:
            known.circuit_id = text

    def belongs_to(self, xid: str, mac: str) -> None:
        """A message of ``mac``."""
        known = self._under_way(xid)
        if known.mac in {None, mac}:
            known.mac = mac
        else:
            self._open[xid] = Transaction(mac)

    def close(self, xid: str, mac: str) -> Transaction:
        """All that is known of the transaction that just ended with a lease for ``mac``."""
        known = self._open.pop(xid, None)
        return known if known and known.mac == mac else Transaction(mac)

    def rows(self) -> list[TransactionRow]:
        """Everything, to be kept in the checkpoint."""
        return [(xid, (t.mac, t.vendor_class, t.hostname, t.circuit_id)) for xid, t in self._open.items()]

    def _under_way(self, xid: str) -> Transaction:
        known = self._open.setdefault(xid, Transaction())
        if len(self._open) > self._limit:
            self._open.popitem(last=False)
        return known


def _changes(kept: OrderedDict[str, Any], changed: set[str]) -> tuple[list[str], list[str]]:
    """Which of the changed keys are gone, and the others in their order; forgets them.

    What changes is moved to the end of ``kept``: so no more than that is looked at, however much there is.
    """
    gone = [key for key in changed if key not in kept]
    count, latest = len(changed) - len(gone), list[str]()
    for key in reversed(kept):
        if len(latest) == count:
            break
        if key in changed:
            latest.append(key)
    changed.clear()
    return gone, latest[::-1]
