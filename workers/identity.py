"""Which machine stands behind a BMC's address, as the BMC itself says."""

from dataclasses import dataclass


@dataclass(frozen=True)
class MachineIdentity:
    """What was read, unchanged; None or empty: the BMC does not say.

    Args:
        serial, sku, asset_tag, uuid: of the system, not of the BMC. Source: Redfish schema ComputerSystem.
        macs: of the host's network ports. Source: Redfish schema EthernetInterface.
        system_path: of the system, e.g. ``/redfish/v1/Systems/1``.
    """

    serial: str | None = None
    sku: str | None = None
    asset_tag: str | None = None
    uuid: str | None = None
    macs: tuple[str, ...] = ()
    system_path: str | None = None
