"""What log-dhcp tells of a transaction before its DHCPACK, by transaction id."""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass

LIMIT = 1000  # transactions under way at once; the oldest is forgotten first


@dataclass
class Transaction:
    """One exchange between a client and the server."""

    mac: str | None = None
    vendor_class: str | None = None
    hostname: str | None = None
    circuit_id: str | None = None


Row = tuple[str, tuple[str | None, str | None, str | None, str | None]]


class Transactions:
    """Bounded memory of transactions.

    A client chooses its xid, and may choose that of another: what was noted for one MAC is never told of another.
    """

    def __init__(self, rows: Iterable[Row] = (), limit: int = LIMIT) -> None:
        self._limit = limit
        self._open = OrderedDict((xid, Transaction(*known)) for xid, known in rows)

    def vendor_class(self, xid: str, text: str | None) -> None:
        """Option 60 of the message that comes next."""
        self._under_way(xid).vendor_class = text

    def hostname(self, xid: str, text: str | None) -> None:
        """Option 12 of the message that comes next."""
        self._under_way(xid).hostname = text

    def circuit_id(self, xid: str, text: str | None) -> None:
        """Option 82.1, in what was sent to the client that was heard last."""
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

    def rows(self) -> list[Row]:
        """Everything, to be kept."""
        return [(xid, (t.mac, t.vendor_class, t.hostname, t.circuit_id)) for xid, t in self._open.items()]

    def _under_way(self, xid: str) -> Transaction:
        known = self._open.setdefault(xid, Transaction())
        if len(self._open) > self._limit:
            self._open.popitem(last=False)
        return known
