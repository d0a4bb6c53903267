"""Which machine a Redfish system is. Source: Redfish schema ComputerSystem, EthernetInterface."""

from contextlib import suppress
from typing import Any

from sushy.exceptions import SushyError
from sushy.resources.system.system import System

from workers.identity import MachineIdentity

_MOST_PORTS = 64  # a request each: more than any host has, less than would hold up a boot


def identity_of(system: System) -> MachineIdentity:
    """What the system says of itself now; what it does not say is left out. Raises SushyError."""
    system.invalidate()
    system.refresh()
    body = system.json
    return MachineIdentity(
        serial=_text(body.get("SerialNumber")),
        sku=_text(body.get("SKU")),
        asset_tag=_text(body.get("AssetTag")),
        uuid=_text(body.get("UUID")),
        macs=_macs(system),
        system_path=system.path,
    )


def _macs(system: System) -> tuple[str, ...]:
    """Of the host's ports, as far as they are shown: many BMCs know them only once the host has booted."""
    found: list[str] = []
    with suppress(SushyError):
        paths = system.ethernet_interfaces.members_identities
        for path in paths[:_MOST_PORTS]:
            port = system.ethernet_interfaces.get_member(path).json
            found += filter(None, (_text(port.get("PermanentMACAddress")), _text(port.get("MACAddress"))))
    return tuple(dict.fromkeys(found))


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
