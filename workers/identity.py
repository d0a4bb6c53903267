"""Which machine stands behind a BMC's address, as the BMC itself says."""

from dataclasses import dataclass

from bringup.text import printable
from bringup.wire import run

_LONGEST = 128  # characters of a value, escaped as messages have it
_MOST_MACS = 128


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

    def message(self) -> run.MachineIdentity:
        """For the API: what a BMC says may be of any length."""
        return run.MachineIdentity(
            serial=_short(self.serial),
            sku=_short(self.sku),
            asset_tag=_short(self.asset_tag),
            uuid=_short(self.uuid),
            macs=tuple(filter(None, map(_short, self.macs[:_MOST_MACS]))),
            system_path=_short(self.system_path),
        )


def _short(text: str | None) -> str | None:
    return printable(text)[:_LONGEST] if text else None
