"""Which machine answers at a BMC's address, as the BMC says."""

from pydantic import Field

from bringup.model import DeviceText
from bringup.wire.base import Message


class MachineIdentity(Message):
    """What a BMC says of its system; None or empty: it does not say.

    Args:
        serial, sku, asset_tag, uuid, system_path: Redfish schema ComputerSystem, as read.
        macs: of the host's network ports, as read.
    """

    serial: DeviceText | None = None
    sku: DeviceText | None = None
    asset_tag: DeviceText | None = None
    uuid: DeviceText | None = None
    macs: tuple[DeviceText, ...] = Field(default=(), max_length=128)
    system_path: DeviceText | None = None
