"""Which of the systems behind a BMC is the machine, and which managers are its own. It is never guessed.

Source: Redfish schema ComputerSystem (SerialNumber, UUID, Links.ManagedBy), Manager (Links.ManagerForServers).
"""

import re

from bringup.bmc_address import system_key
from bringup.errors import BmcRejected, BmcUnavailable
from bringup.identity import serial_key, uuid_key
from bringup.model import FailureReason
from workers.redfish.connection import RedfishConnection
from workers.redfish.resource import Resource

_SYSTEMS = "/redfish/v1/Systems"  # where the service root names none. Source: DSP0266 s.6.4.1
_SYSTEM_TYPE = re.compile(r"#?ComputerSystem\.")  # not ComputerSystemCollection. Source: DSP0266 s.8.4.2 (@odata.type)


def system_of(
    connection: RedfishConnection, root: Resource, *, serial: str | None = None, uuid: str | None = None
) -> tuple[Resource, str]:
    """The machine's system, and why it is this one: named by the address, the only one, or with this serial or UUID.

    From then on the connection writes to none of the others.

    Raises:
        BmcRejected: it cannot be told which; names them all.
        BmcUnavailable: there is none, as while a BMC starts.
    """
    members = connection.member_paths(root.link("Systems") or _SYSTEMS)
    listed = list({system_key(path): path for path in members}.values())
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
        raise BmcUnavailable(f"the BMC at {connection.base} lists no system that it shows; it may be starting")
    if len(listed) == 1:
        return shown[0], "it is the only one"
    fitting = [system for system in shown if _fits(system, serial, uuid)]
    if len(fitting) == 1:
        return fitting[0], "its serial or UUID is the one on record"
    names = (described(system) if system else f"{path} (not shown)" for path, system in systems.items())
    raise BmcRejected(
        f"there are {len(listed)} systems behind this BMC, and the inventory does not say which is this machine. "
        f"Set its serial or uuid, or put one of these paths into bmc: {'; '.join(names)}",
        reason=FailureReason.BMC_UNREACHABLE,
    )


def _named(connection: RedfishConnection, listed: list[str], wanted: str) -> Resource:
    """As the BMC itself writes its path: an iLO answers with a redirect where the slash at the end is missing."""
    system = connection.get(next((path for path in listed if _is_same(path, wanted)), wanted))
    kind = system.text("@odata.type")
    if kind and not _SYSTEM_TYPE.match(kind):
        raise BmcRejected(
            f"{wanted} is no system; correct bmc in the inventory. The BMC's systems: {', '.join(listed) or 'none'}",
            reason=FailureReason.BMC_UNREACHABLE,
        )
    return system


def _is_same(one: str, other: str) -> bool:
    return system_key(one) == system_key(other)


def managers_of(connection: RedfishConnection, root: Resource, system: Resource) -> list[Resource]:
    """The managers that the system names; where it names none that is there, all but those of other systems."""
    named = [connection.find(path) for path in system.links("Links", "ManagedBy")]
    found = [manager for manager in named if manager]
    return found or [one for one in connection.members(root.link("Managers")) if _may_manage(one, system)]


def _may_manage(manager: Resource, system: Resource) -> bool:
    servers = manager.links("Links", "ManagerForServers")
    return not servers or any(_is_same(server, system.path) for server in servers)


def _fits(system: Resource, serial: str | None, uuid: str | None) -> bool:
    # As the API compares an identity: a Dell's service tag is its SKU.
    shown = {serial_key(system.text(name)) for name in ("SerialNumber", "SKU", "AssetTag")} - {None}
    by_uuid = uuid_key(uuid) is not None and uuid_key(system.text("UUID")) == uuid_key(uuid)
    return serial_key(serial) in shown or by_uuid


def described(system: Resource) -> str:
    """A system in one line: its path, and what tells it from others."""
    facts = [f"{name} {text}" for name in ("SerialNumber", "UUID", "Model") if (text := system.text(name))]
    return f"{system.path} ({', '.join(facts) or 'says nothing of itself'})"
