"""Which of the systems behind a BMC is the machine, and which managers are its own. It is never guessed.

Source: Redfish schema ComputerSystem (SerialNumber, UUID, Links.ManagedBy).
"""

from bringup.errors import BmcRejected
from bringup.identity import serial_key, uuid_key
from bringup.model import FailureReason
from workers.redfish.connection import RedfishConnection
from workers.redfish.resource import Resource

_SYSTEMS = "/redfish/v1/Systems"  # where the service root names none. Source: DSP0266 s.6.4.1


def system_of(
    connection: RedfishConnection, root: Resource, *, serial: str | None = None, uuid: str | None = None
) -> tuple[Resource, str]:
    """The machine's system, and why it is this one: named by the address, the only one, or with this serial or UUID.

    Raises:
        BmcRejected: there is none, or it cannot be told which; names them all.
    """
    if connection.system_path:
        return connection.get(connection.system_path), "the address names it"
    systems = connection.members(root.link("Systems") or _SYSTEMS)
    if len(systems) == 1:
        return systems[0], "it is the only one"
    if not systems:
        raise BmcRejected("the BMC lists no system", reason=FailureReason.BMC_UNREACHABLE)
    fitting = [system for system in systems if _fits(system, serial, uuid)]
    if len(fitting) == 1:
        return fitting[0], "its serial or UUID is the one on record"
    raise BmcRejected(
        f"there are {len(systems)} systems behind this BMC, and the inventory does not say which is this machine. "
        f"Set its serial or uuid, or put one of these paths into bmc: {'; '.join(map(described, systems))}",
        reason=FailureReason.BMC_UNREACHABLE,
    )


def managers_of(connection: RedfishConnection, root: Resource, system: Resource) -> list[Resource]:
    """The managers that the system names; all of the BMC's where it names none that is there."""
    named = [connection.find(path) for path in system.links("Links", "ManagedBy")]
    found = [manager for manager in named if manager]
    return found or connection.members(root.link("Managers"))


def _fits(system: Resource, serial: str | None, uuid: str | None) -> bool:
    # As the API compares an identity: a Dell's service tag is its SKU.
    shown = {serial_key(system.text(name)) for name in ("SerialNumber", "SKU", "AssetTag")} - {None}
    by_uuid = uuid_key(uuid) is not None and uuid_key(system.text("UUID")) == uuid_key(uuid)
    return serial_key(serial) in shown or by_uuid


def described(system: Resource) -> str:
    """A system in one line: its path, and what tells it from others."""
    facts = [f"{name} {text}" for name in ("SerialNumber", "UUID", "Model") if (text := system.text(name))]
    return f"{system.path} ({', '.join(facts) or 'says nothing of itself'})"
