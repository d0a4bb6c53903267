"""Filters: which leases lead to a run, by network, vendor class and inventory."""

from collections.abc import Callable, Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

import re2

from bringup import log
from bringup.errors import InventoryError
from bringup.inventory import Inventory
from bringup.model import LeaseAction, LeaseEvent
from bringup.settings import Settings
from dhcp_tailer.accounting import Outcome

_log = log.get(__name__)
# Characters of a vendor class that are searched. A client chooses it, and RE2 takes time in proportion to its length;
# it is also the most that an event holds.
LONGEST_VENDOR_CLASS = 1024

_NO_NEW_LEASE: Mapping[LeaseAction, Outcome] = MappingProxyType(
    {
        LeaseAction.RENEWED: Outcome.RENEWAL,
        LeaseAction.RELEASED: Outcome.RELEASED,
        LeaseAction.EXPIRED: Outcome.EXPIRED,
    }
)
_Signature = tuple[int, int, int]


class Filters:
    """Decides for each lease event whether it leads to a run.

    Args:
        networks: an address outside of all of them is filtered; none filters nothing.
        vendor: a compiled RE2 pattern that must be found in the vendor class; None filters nothing.
        known: whether a MAC is in the inventory; None filters nothing.
    """

    def __init__(
        self,
        *,
        networks: Sequence[IPv4Network | IPv6Network] = (),
        vendor: Any = None,
        known: Callable[[str], bool] | None = None,
    ) -> None:
        self._networks = networks
        self._vendor = vendor
        self._known = known

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The filters of ``settings``.

        Raises:
            InventoryError: DHCP_INVENTORY_ONLY, and DEVICES_FILE cannot be read.
        """
        networks = [ip_network(text.strip()) for text in settings.dhcp_networks.split(",") if text.strip()]
        vendor = re2.compile(settings.dhcp_vendor_pattern) if settings.dhcp_vendor_pattern else None
        known = InventoryMacs(settings.devices_file) if settings.dhcp_inventory_only else None
        return cls(networks=networks, vendor=vendor, known=known)

    def outcome(self, event: LeaseEvent) -> Outcome | None:
        """The outcome of an event that leads to no run; None of one that does."""
        if event.action in _NO_NEW_LEASE:
            return _NO_NEW_LEASE[event.action]
        if self._networks and not any(event.ip in network for network in self._networks):
            return Outcome.FILTERED_NETWORK
        if self._vendor and not self._vendor.search((event.vendor_class or "")[:LONGEST_VENDOR_CLASS]):
            return Outcome.FILTERED_VENDOR
        if self._known and not self._known(event.mac):
            return Outcome.FILTERED_INVENTORY
        return None


class InventoryMacs:
    """Whether a MAC is in the inventory file, which may change while we run.

    Raises:
        InventoryError: the file cannot be read at the start; then a mistake in it is better reported than ignored.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read_as = _signature(path)
        self._inventory: Inventory | None = Inventory.read(path)

    def __call__(self, mac: str) -> bool:
        """Whether ``mac`` belongs to a machine of the inventory.

        While the inventory cannot be read, every MAC counts as known: a lease that is filtered is lost, one that is
        not is judged again by the API, which powers nothing that it does not know.
        """
        if (signature := _signature(self._path)) != self._read_as:
            self._read_as, self._inventory = signature, self._read()
        return self._inventory is None or self._inventory.device_of(mac) is not None

    def _read(self) -> Inventory | None:
        try:
            return Inventory.read(self._path)
        except InventoryError as error:
            _log.error("the inventory cannot be read; no lease is filtered by it until it can", why=str(error))
            return None


def _signature(path: Path) -> _Signature | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size
