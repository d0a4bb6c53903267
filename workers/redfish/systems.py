"""Which of the systems behind a BMC is the machine, which managers are its own, and which machine it is.

It is never guessed. Source: Redfish schema ComputerSystem (SerialNumber, UUID, Links.ManagedBy), Manager
(Links.ManagerForServers), EthernetInterface, NetworkAdapter and NetworkDeviceFunction, Chassis.
"""

from collections.abc import Iterator

from sushy.exceptions import SushyError

from bringup import bmc_address, errors, identity, model
from workers.bmc import ReportedIdentity
from workers.redfish.connection import RedfishConnection
from workers.redfish.resource import Resource

# Where the service root names no systems. Source: DSP0266 s.6.4.1.
_SYSTEMS = "/redfish/v1/Systems"
# The type of a system, and not of their collection. Source: DSP0266 s.8.4.2 (@odata.type).
_SYSTEM_TYPE = "ComputerSystem."
# Network ports of one collection, a request each: more than any host has, less than would delay a boot.
_MAX_PORTS = 64


def system_of(
    connection: RedfishConnection, root: Resource, *, serial: str | None = None, uuid: str | None = None
) -> tuple[Resource, str]:
    """The machine's system, and why it is this one: named by the address, the only one, or with this serial or UUID.

    From then on the connection writes to none of the others.

    Args:
        connection: to the BMC, logged in.
        root: the service root.
        serial, uuid: of the machine; None: not on record.

    Raises:
        BmcRejected: it is not known which; the message names them all.
        BmcUnavailable: there is none, as while a BMC starts.
    """
    members = connection.member_paths(root.link("Systems") or _SYSTEMS)
    listed = list({bmc_address.system_key(path): path for path in members}.values())
    system, because = _chosen(connection, listed, serial, uuid)
    connection.keep_off(path for path in listed if not _is_same(path, system.path))
    return system, because


def _chosen(
    connection: RedfishConnection, listed: list[str], serial: str | None, uuid: str | None
) -> tuple[Resource, str]:
    if connection.system_path:
        return _named(connection, listed, connection.system_path), "the address names it"
    systems = {path: connection.find(path) for path in listed}
    shown = [system for system in systems.values() if system]
    if not shown:
        raise errors.BmcUnavailable(f"the BMC at {connection.base} lists no system that it shows; it may be starting")
    if len(listed) == 1:
        return shown[0], "it is the only one"
    # Exactly one: two that fit, such as a host and its GPU baseboard with one serial number, would be a guess.
    fitting = [system for system in shown if _fits(system, serial, uuid)]
    if len(fitting) == 1:
        return fitting[0], "its serial or UUID is the one on record"
    names = (described(system) if system else f"{path} (not shown)" for path, system in systems.items())
    raise errors.BmcRejected(
        f"there are {len(listed)} systems behind this BMC, and the inventory does not name the one of this machine. "
        f"Set its serial or uuid, or put one of these paths into bmc: {'; '.join(names)}",
        reason=model.FailureReason.BMC_UNREACHABLE,
    )


def _named(connection: RedfishConnection, listed: list[str], wanted: str) -> Resource:
    """As the BMC itself writes its path: an iLO answers with a redirect where the slash at the end is missing."""
    system = connection.get(next((path for path in listed if _is_same(path, wanted)), wanted))
    kind = system.text("@odata.type")
    if kind and not kind.removeprefix("#").startswith(_SYSTEM_TYPE):
        raise errors.BmcRejected(
            f"{wanted} is no system; correct bmc in the inventory. The BMC's systems: {', '.join(listed) or 'none'}",
            reason=model.FailureReason.BMC_UNREACHABLE,
        )
    return system


def _is_same(one: str, other: str) -> bool:
    return bmc_address.system_key(one) == bmc_address.system_key(other)


def managers_of(connection: RedfishConnection, root: Resource, system: Resource) -> list[Resource]:
    """The managers that the system names; where it names none that is there, all but those of other systems.

    Args:
        connection: to the BMC, logged in.
        root: the service root.
        system: of the machine.
    """
    named = [connection.find(path) for path in system.links("Links", "ManagedBy")]
    found = [manager for manager in named if manager]
    return found or [one for one in connection.members(root.link("Managers")) if _may_manage(one, system)]


def _may_manage(manager: Resource, system: Resource) -> bool:
    servers = manager.links("Links", "ManagerForServers")
    return not servers or any(_is_same(server, system.path) for server in servers)


def _fits(system: Resource, serial: str | None, uuid: str | None) -> bool:
    # As the API compares an identity: a Dell's service tag is its SKU.
    shown = {identity.serial_key(system.text(name)) for name in ("SerialNumber", "SKU", "AssetTag")} - {None}
    by_uuid = identity.uuid_key(uuid) is not None and identity.uuid_key(system.text("UUID")) == identity.uuid_key(uuid)
    return identity.serial_key(serial) in shown or by_uuid


def described(system: Resource) -> str:
    """A system in one line: its path, and what distinguishes it."""
    facts = [f"{name} {text}" for name in ("SerialNumber", "UUID", "Model") if (text := system.text(name))]
    return f"{system.path} ({', '.join(facts) or 'without a serial number, UUID and model'})"


def identity_of(connection: RedfishConnection, system: Resource) -> ReportedIdentity:
    """Which machine this system is, as the BMC reports it; placeholders and missing values are left out.

    Args:
        connection: to the BMC.
        system: as it was just read.
    """
    chassis = _chassis_of(connection, system)
    return ReportedIdentity(
        serial=_reported(system, "SerialNumber"),
        sku=_reported(system, "SKU"),
        asset_tag=_reported(system, "AssetTag"),
        uuid=system.text("UUID") if identity.uuid_key(system.text("UUID")) else None,
        macs=tuple(dict.fromkeys(_macs(connection, system, chassis))),
        system_path=system.path,
    )


def difference(before: Resource, now: Resource) -> str | None:
    """Why ``now`` is not the system that was read before; None: no value contradicts it."""
    for name, key in (("SerialNumber", identity.serial_key), ("UUID", identity.uuid_key)):
        was, is_now = before.text(name), now.text(name)
        if key(was) and key(is_now) not in {None, key(was)}:
            return f"{name} was {was} and is {is_now}"
    return None


def _reported(resource: Resource, name: str) -> str | None:
    text = resource.text(name)
    return text if identity.serial_key(text) else None


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
        if identity.mac_keys([port.text(*keys)]):
            yield port.text(*keys)


def _members(connection: RedfishConnection, path: str | None) -> list[Resource]:
    """Bounded, and tolerant: a port that cannot be read contradicts nothing."""
    try:
        return connection.members(path)[:_MAX_PORTS]
    except (SushyError, ValueError):
        return []


def _readable(connection: RedfishConnection, path: str) -> Resource | None:
    try:
        return connection.find(path)
    except (SushyError, ValueError):
        return None
