"""A machine's BMC, as jobs see it: a small interface, and the way from an address to an implementation."""

from enum import StrEnum
from typing import Protocol
from urllib.parse import urlsplit

from bringup.errors import BmcRejected
from bringup.model import FailureReason
from bringup.settings import Settings
from bringup.wire import Run, RunMedia
from workers.redfish import RedfishBmc
from workers.simulated_bmc import SimulatedBmc


class PowerState(StrEnum):
    """Redfish Resource.PowerState, as far as it matters here."""

    ON = "On"
    OFF = "Off"


class Bmc(Protocol):
    """Every method raises BmcUnavailable (try again) or BmcRejected (do not)."""

    def power_state(self) -> str:
        """Whether the machine is on, asked now."""

    def eject_media(self) -> None:
        """Take out whatever medium is in; none is fine."""

    def insert_media(self, media: RunMedia) -> None:
        """Put in the run's validation image."""

    def set_boot_once(self, boot_method: str) -> None:
        """Boot from the medium at the next start, and only then."""

    def restore_boot(self) -> None:
        """Take back a boot override that was not used."""

    def power_on(self) -> None:
        """Switch on. Only `workers.power` calls this."""

    def power_off(self) -> None:
        """Switch off at once. Only `workers.power` calls this."""

    def close(self) -> None:
        """End the session; called once, whatever happened before."""


def bmc_of(run: Run, settings: Settings) -> Bmc:
    """The BMC on record for the run's device; never the holder of the lease.

    Raises:
        BmcRejected: there is no way to drive this address.
    """
    address = urlsplit(run.bmc or "")
    if address.scheme == "simulated" and settings.environment != "production":
        return SimulatedBmc(address.netloc, address.path, settings)
    if address.scheme == "https":
        return RedfishBmc(run, settings)
    raise BmcRejected(
        f"no driver for the BMC address {run.bmc!r} when ENVIRONMENT={settings.environment}",
        reason=FailureReason.BMC_UNREACHABLE,
    )
