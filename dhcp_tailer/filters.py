"""Which leases matter: networks, vendor class, inventory."""

from collections.abc import Callable, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

import re2

from bringup.model import LeaseEvent
from bringup.settings import Settings
from dhcp_tailer.known_machines import KnownMachines
from dhcp_tailer.outcome import Outcome

LONGEST_VENDOR_CLASS = 1024  # characters that are looked at; RE2 takes time in proportion to them


class Policy:
    """Says of each new lease whether it is left out, and why."""

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

    def leaves_out(self, event: LeaseEvent) -> Outcome | None:
        """The outcome of a lease that does not matter; None of one that does."""
        if self._networks and not any(event.ip in network for network in self._networks):
            return Outcome.FILTERED_NETWORK
        if self._vendor and not self._vendor.search((event.vendor_class or "")[:LONGEST_VENDOR_CLASS]):
            return Outcome.FILTERED_VENDOR
        if self._known and not self._known(event.mac):
            return Outcome.FILTERED_INVENTORY
        return None


def policy_of(settings: Settings) -> Policy:
    """As the settings have it. Raises InventoryError."""
    networks = [ip_network(text.strip()) for text in settings.dhcp_networks.split(",") if text.strip()]
    vendor = re2.compile(settings.dhcp_vendor_pattern) if settings.dhcp_vendor_pattern else None
    known = KnownMachines(settings.devices_file) if settings.dhcp_inventory_only else None
    return Policy(networks=networks, vendor=vendor, known=known)
