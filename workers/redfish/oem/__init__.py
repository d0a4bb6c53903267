"""The vendors' own ways, one file each, used only where the BMC has no standard way.

Each way to put a medium in is an `OemMedia`; `workers.redfish.media` cannot tell them apart.
"""

from collections.abc import Iterator

from workers.redfish.connection import RedfishConnection
from workers.redfish.oem import dell, huawei, supermicro
from workers.redfish.oem.interface import OemBoot, OemMedia
from workers.redfish.resource import Resource

__all__ = ["OemBoot", "OemMedia", "boot_of_managers", "media_of_manager", "media_of_slot"]


def media_of_slot(slot: Resource) -> OemMedia | None:
    """The vendor's way to use a slot that the standard actions do not serve."""
    return huawei.VmmControl.of(slot)


def media_of_manager(connection: RedfishConnection, manager: Resource) -> Iterator[OemMedia]:
    """Discs that a manager has outside of the standard's collection."""
    yield from supermicro.IsoConfig.of(connection, manager)


def boot_of_managers(connection: RedfishConnection, system: Resource, managers: list[Resource]) -> OemBoot | None:
    """The vendor's way to boot the virtual disc, where the standard boot override means another drive."""
    found = (dell.VirtualBoot.of(connection, system, manager) for manager in managers)
    return next((one for one in found if one), None)
