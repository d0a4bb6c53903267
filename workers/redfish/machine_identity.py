"""Which machine a Redfish system is, by everything that its BMC says of it.

Source: Redfish schema ComputerSystem, EthernetInterface, NetworkAdapter and NetworkDeviceFunction, Chassis.
"""

from collections.abc import Iterator

from sushy.exceptions import SushyError

from bringup.identity import mac_keys, serial_key, uuid_key
from workers.identity import MachineIdentity
from workers.redfish.connection import RedfishConnection
from workers.redfish.resource import Resource

_MOST_PORTS = 64  # a request each: more than any host has, less than would hold up a boot


def identity_of(connection: RedfishConnection, system: Resource) -> MachineIdentity:
    """What the BMC says of this system; placeholders and what it does not say are left out.

    Args:
        system: as it was just read.
    """
    chassis = _chassis_of(connection, system)
    return MachineIdentity(
        serial=_said(system, "SerialNumber"),
        sku=_said(system, "SKU"),
        asset_tag=_said(system, "AssetTag"),
        uuid=system.text("UUID") if uuid_key(system.text("UUID")) else None,
        macs=tuple(dict.fromkeys(_macs(connection, system, chassis))),
        system_path=system.path,
    )


def other_than(before: Resource, now: Resource) -> str | None:
    """Why ``now`` is not the system that was read before; None: nothing speaks against it."""
    for name, key in (("SerialNumber", serial_key), ("UUID", uuid_key)):
        was, is_now = before.text(name), now.text(name)
        if key(was) and key(is_now) not in {None, key(was)}:
            return f"{name} was {was} and is {is_now}"
    return None


def _said(resource: Resource, name: str) -> str | None:
    text = resource.text(name)
    return text if serial_key(text) else None


def _chassis_of(connection: RedfishConnection, system: Resource) -> list[Resource]:
    found = (_readable(connection, path) for path in system.links("Links", "Chassis"))
    return [chassis for chassis in found if chassis]


def _macs(connection: RedfishConnection, system: Resource, chassis: list[Resource]) -> Iterator[str]:
    """Of the host's ports, as far as they are shown: many BMCs know them only once the host has booted."""
    for port in _members(connection, system.link("EthernetInterfaces")):
        yield from _macs_in(port)
    for interface in _members(connection, system.link("NetworkInterfaces")):
        for function in _members(connection, interface.link("NetworkDeviceFunctions")):
            yield from _macs_in(function)
    for case in chassis:
        for adapter in _members(connection, case.link("NetworkAdapters")):
            for function in _members(connection, adapter.link("NetworkDeviceFunctions")):
                yield from _macs_in(function)


def _macs_in(port: Resource) -> Iterator[str]:
    for keys in (
        ("PermanentMACAddress",),
        ("MACAddress",),
        ("Ethernet", "PermanentMACAddress"),
        ("Ethernet", "MACAddress"),
    ):
        if mac_keys([port.text(*keys)]):
            yield port.text(*keys)


def _members(connection: RedfishConnection, path: str | None) -> list[Resource]:
    """Bounded, and forgiving: a port that cannot be read says nothing, which is no contradiction."""
    try:
        return connection.members(path)[:_MOST_PORTS]
    except (SushyError, ValueError):
        return []


def _readable(connection: RedfishConnection, path: str) -> Resource | None:
    try:
        return connection.find(path)
    except (SushyError, ValueError):
        return None
