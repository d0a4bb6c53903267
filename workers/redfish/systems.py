"""Which of the systems behind a BMC is the machine, and which managers are its own. It is never guessed.

Source: Redfish schema ComputerSystem (SerialNumber, UUID, Links.ManagedBy).
"""

from bringup.errors import BmcRejected
from bringup.model import FailureReason
from workers.redfish.connection import RedfishConnection
from workers.redfish.resource import Resource


def system_of(
    connection: RedfishConnection, root: Resource, *, serial: str | None = None, uuid: str | None = None
) -> Resource:
    """The machine's system: as the address names it, else the only one, else the one with this serial or UUID.

    Raises:
        BmcRejected: there is none, or it cannot be told which; names them all.
    """
    if connection.system_path:
        return connection.get(connection.system_path)
    systems = connection.members(root.link("Systems"))
    if len(systems) == 1:
        return systems[0]
    if not systems:
        raise BmcRejected("the BMC lists no system", reason=FailureReason.BMC_UNREACHABLE)
    fitting = [system for system in systems if _fits(system, serial, uuid)]
    if len(fitting) == 1:
        return fitting[0]
    raise BmcRejected(
        f"there are {len(systems)} systems behind this BMC, and the inventory does not say which is this machine. "
        f"Set its serial or uuid, or put one of these paths into bmc: {'; '.join(map(_described, systems))}",
        reason=FailureReason.BMC_UNREACHABLE,
    )


def managers_of(connection: RedfishConnection, root: Resource, system: Resource) -> list[Resource]:
    """The managers that the system names; all of the BMC's where it names none that is there."""
    named = [connection.find(path) for path in system.links("Links", "ManagedBy")]
    found = [manager for manager in named if manager]
    return found or connection.members(root.link("Managers"))


def _fits(system: Resource, serial: str | None, uuid: str | None) -> bool:
    by_serial = serial is not None and _plain(serial) in {
        _plain(system.text("SerialNumber")),
        _plain(system.text("SKU")),
    }
    return by_serial or (uuid is not None and _plain(system.text("UUID")) == _plain(uuid))


def _plain(text: str) -> str:
    return text.strip().casefold()


def _described(system: Resource) -> str:
    facts = [f"{name} {text}" for name in ("SerialNumber", "UUID", "Model") if (text := system.text(name))]
    return f"{system.path} ({', '.join(facts) or 'says nothing of itself'})"
