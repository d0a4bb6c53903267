"""What a lease file made us know of each lease: enough to tell a new one from a renewal or a repetition."""

from collections import OrderedDict
from collections.abc import Iterable
from typing import NamedTuple

from bringup.model import LeaseAction

LIMIT = 200_000  # leases in force at once; the one that was silent the longest is forgotten first


class Lease(NamedTuple):
    """A lease in force."""

    mac: str
    starts: int  # seconds since the epoch
    ends: int | None  # the same; None: never


Row = tuple[str, str, int, int | None]


class Leases:
    """Bounded memory of the leases in force, by address."""

    def __init__(self, rows: Iterable[Row] = (), limit: int = LIMIT) -> None:
        self._limit = limit
        self._leases = OrderedDict((ip, Lease(mac, starts, ends)) for ip, mac, starts, ends in rows)

    def in_force(self, ip: str, lease: Lease) -> LeaseAction | None:
        """A record says that ``lease`` holds; None if that is known."""
        known = self._leases.get(ip)
        self._leases[ip] = lease
        self._leases.move_to_end(ip)
        if len(self._leases) > self._limit:
            self._leases.popitem(last=False)
        if known == lease:
            return None
        return LeaseAction.RENEWED if known and _goes_on(known, lease) else LeaseAction.ASSIGNED

    def over(self, ip: str, at: int | None) -> tuple[Lease, LeaseAction] | None:
        """A record says that the address is free since ``at``; None if nobody was known to have it."""
        lease = self._leases.pop(ip, None)
        if lease is None:
            return None
        early = lease.ends is None or (at is not None and at < lease.ends)
        return lease, LeaseAction.RELEASED if early else LeaseAction.EXPIRED

    def rows(self) -> list[Row]:
        """Everything, to be kept."""
        return [(ip, lease.mac, lease.starts, lease.ends) for ip, lease in self._leases.items()]


def _goes_on(known: Lease, lease: Lease) -> bool:
    """Whether ``lease`` renews ``known``: a client that comes back after its end has a new one."""
    return known.mac == lease.mac and (known.ends is None or lease.starts <= known.ends)
