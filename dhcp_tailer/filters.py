"""Filters: which leases lead to a run, by network, vendor class, inventory, and age on a first start."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

import re2

from bringup import errors, files, model, outages
from bringup.inventory import Inventory
from bringup.settings import Settings
from dhcp_tailer.accounting import Outcome

# Characters of a vendor class that are searched. A client chooses it, and RE2 takes time in proportion to its length;
# it is also the most that an event holds.
LONGEST_VENDOR_CLASS = 1024

# Only a new lease leads to a run: a machine that renews or gives up its lease must not be powered for that.
_NO_NEW_LEASE = MappingProxyType(
    {
        model.LeaseAction.RENEWED: Outcome.RENEWAL,
        model.LeaseAction.RELEASED: Outcome.RELEASED,
        model.LeaseAction.EXPIRED: Outcome.EXPIRED,
    }
)


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
        known = inventory_filter(settings.devices_file) if settings.dhcp_inventory_only else None
        return cls(networks=networks, vendor=vendor, known=known)

    def outcome(self, event: model.LeaseEvent) -> Outcome | None:
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


class FirstPass:
    """The first reading of a file, which may hold leases of years: old ones must not switch on a machine of today.

    Args:
        max_age_h: LEASE_MAX_AGE_H, hours; 0: no lease is stale.
        since: when it began; None: it is over, and whatever comes is new, however long we were away.
    """

    def __init__(self, max_age_h: int = 0, since: datetime | None = None) -> None:
        self._max_age = timedelta(hours=max_age_h)
        self.since = since

    def outcome(self, event: model.LeaseEvent) -> Outcome | None:
        """`Outcome.STALE` of a lease that was over, or too old, when the reading began; else None."""
        if not self.since or not self._max_age:
            return None
        over = event.ends is not None and event.ends <= self.since
        return Outcome.STALE if over or event.starts < self.since - self._max_age else None

    def end(self) -> None:
        """All that was there has been read."""
        self.since = None


def inventory_filter(path: Path) -> Callable[[str], bool]:
    """A function that returns whether a MAC is in the inventory file, which may change while we run.

    While the inventory cannot be read, every MAC counts as known: a lease that is filtered is lost, one that is not
    is judged again by the API, which powers nothing that it does not know.

    Raises:
        InventoryError: the file cannot be read now; at the start a mistake in it is better reported than ignored.
    """
    lost = "the inventory cannot be read; no lease is filtered by it until it can"
    alarm = outages.Alarm(__name__, lost, "the inventory can be read again")
    inventory = files.Reloaded([path], lambda: Inventory.read(path), alarm=alarm)
    inventory.current()

    def is_known(mac: str) -> bool:
        try:
            return inventory.current().device_of(mac) is not None
        except errors.InventoryError:
            return True

    return is_known
