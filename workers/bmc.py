"""A machine's BMC, as jobs see it: a small interface, and the way from an address to an implementation."""

from enum import StrEnum
from typing import Protocol
from urllib.parse import urlsplit

from bringup.errors import BmcRejected
from bringup.model import FailureReason
from bringup.settings import Settings
from bringup.wire.run import Run, RunMedia
from workers.identity import MachineIdentity
from workers.own_media import OwnMedia
from workers.permit import Permit
from workers.redfish import RedfishBmc
from workers.simulated_bmc import SimulatedBmc


class PowerState(StrEnum):
    """Redfish Resource.PowerState, as far as it matters here."""

    ON = "On"
    OFF = "Off"


class Bmc(Protocol):
    """Every method raises BmcUnavailable (try again) or BmcRejected (do not).

    What takes a permit writes, and raises PermitExpired when the permit has run out before the request was sent.
    What takes none only reads; logging in and out are the exceptions.
    """

    @property
    def power_settle_s(self) -> float:
        """Seconds from an accepted power switch until the state must show it; known after `connect`."""

    def connect(self) -> None:
        """Be ready to send a request at once: connected, certificate checked, logged in."""

    def identity(self) -> MachineIdentity:
        """Which machine this is, by its own words, read now."""

    def power_state(self) -> str:
        """Whether the machine is on, asked now."""

    def insert_media(self, media: RunMedia, permit: Permit) -> None:
        """Put in the run's validation image, and see that it is in."""

    def eject_media(self, own: OwnMedia, permit: Permit) -> None:
        """Take out our own medium and nobody else's; none is fine."""

    def set_boot_once(self, boot_method: str, permit: Permit) -> None:
        """Boot from the medium at the next start, and only then; see that it is set."""

    def restore_boot(self, permit: Permit) -> None:
        """Take back a boot override that is ours and was not used."""

    def power_on(self, permit: Permit) -> None:
        """Switch on. Only `workers.power` calls this."""

    def power_off(self, permit: Permit) -> None:
        """Switch off at once. Only `workers.power` calls this."""

    def close(self) -> None:
        """End the session; called once, whatever happened before."""


def bmc_of(run: Run, settings: Settings) -> Bmc:
    """The BMC on record for the run's device; never the holder of the lease.

    Raises:
        BmcRejected: there is no way to drive this address.
    """
    if run.bmc is None:
        message = (
            "the API names no BMC for this run: its device has left the inventory, or its address there and API_TOKEN "
            "were both changed during the run"
        )
        raise BmcRejected(message, reason=FailureReason.BMC_UNREACHABLE)
    address = urlsplit(run.bmc)
    if address.scheme == "simulated" and settings.environment != "production":
        return SimulatedBmc(address.netloc, address.path, settings)
    if address.scheme == "https":
        return RedfishBmc(run, settings)
    raise BmcRejected(
        f"no driver for the BMC address {run.bmc!r} when ENVIRONMENT={settings.environment}",
        reason=FailureReason.BMC_UNREACHABLE,
    )
