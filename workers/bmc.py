"""A machine's BMC, as jobs see it: the interface, and the values that pass through it."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from bringup import model
from bringup.errors import PermitExpired
from bringup.text import image_secret, printable
from bringup.wire.machine import IMAGE_FILE
from bringup.wire.run import MachineIdentity, RunDetail
from bringup.wire.run_events import RunMedia

# Characters of one value of an identity, escaped as messages have it. Real serial numbers, UUIDs and paths have less
# than half of that; without a bound a BMC could fill the run's record in Redis.
_MAX_VALUE = 128
# MAC addresses of one machine. Eight adapters of eight ports are 64; what is beyond twice that is no host.
_MAX_MACS = 128

# Seconds that only go forward.
Clock = Callable[[], float]


@dataclass(frozen=True)
class Permit:
    """The API's permission for one kind of write to one BMC.

    Args:
        what: the kind, as the API's event names it.
        ends_at: when it runs out, in seconds by ``clock``.
        clock: a clock that runs on while the host is suspended.
        covers: other kinds of writes that the API allows with it.
    """

    what: str
    ends_at: float
    clock: Clock = field(default=model.boot_clock, repr=False, compare=False)
    covers: frozenset[str] = frozenset()

    def remaining_s(self) -> float:
        """Seconds for which it is still valid; never negative."""
        return max(0.0, self.ends_at - self.clock())

    def require(self) -> None:
        """Do nothing while the permit is valid.

        Raises:
            PermitExpired: it has run out.
        """
        if self.remaining_s() <= 0:
            raise PermitExpired(f"the permit ({self.what}) ran out before the request was sent; nothing was sent")


@dataclass(frozen=True)
class ReportedIdentity:
    """Which machine a BMC belongs to, as the BMC reports it; None or empty: it does not report this.

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

    def message(self) -> MachineIdentity:
        """The same for the API, bounded: what a BMC reports may be of any length."""
        return MachineIdentity(
            serial=_bounded(self.serial),
            sku=_bounded(self.sku),
            asset_tag=_bounded(self.asset_tag),
            uuid=_bounded(self.uuid),
            macs=tuple(filter(None, map(_bounded, self.macs[:_MAX_MACS]))),
            system_path=_bounded(self.system_path),
        )


def _bounded(text: str | None) -> str | None:
    return printable(text)[:_MAX_VALUE] if text else None


@dataclass(frozen=True)
class OwnMedia:
    """The images that bringup has put into one machine: only these are ever ejected.

    Args:
        run_id: the run that they belong to.
        secrets_sha256: hex SHA-256 of the secret in the address of each; the secrets themselves are not kept.
    """

    run_id: str
    secrets_sha256: frozenset[str] = frozenset()

    @classmethod
    def of(cls, run: RunDetail) -> "OwnMedia":
        """What bringup has put into the machine of ``run``."""
        return cls(run.run_id, frozenset(run.media_sha256))

    def owns(self, shown: str) -> bool:
        """Whether the medium that a BMC shows is one of ours.

        A BMC that shortens addresses shows the name of the file alone: where nothing else is shown, the name decides.
        An address without our secret is another user's, whatever its file is called.
        """
        secret = image_secret(shown)
        if secret is not None:
            return hashlib.sha256(secret.encode()).hexdigest() in self.secrets_sha256
        return bool(self.secrets_sha256) and shown == IMAGE_FILE


class PowerState(StrEnum):
    """Redfish Resource.PowerState, as far as it matters here."""

    ON = "On"
    OFF = "Off"


class Bmc(Protocol):
    """Every method raises BmcUnavailable (try again) or BmcRejected (do not).

    A method with a permit writes, and raises PermitExpired when the permit has run out before the request was sent.
    A method without one only reads; logging in and out are the exceptions.
    """

    @property
    def power_settle_s(self) -> float:
        """Seconds from an accepted power switch until the state must show it; known after `connect`."""

    def connect(self) -> None:
        """Be ready to send a request at once: connected, certificate checked, logged in."""

    def identity(self) -> ReportedIdentity:
        """Which machine this is, as the BMC reports it, read now."""

    def power_state(self) -> str:
        """Whether the machine is on, read now."""

    def holds_media(self, own: OwnMedia) -> bool:
        """Whether one of our own media is in."""

    def has_boot_override(self) -> bool:
        """Whether a boot override is set that may be ours, read now; a start uses it up."""

    def insert_media(self, media: RunMedia, permit: Permit) -> None:
        """Put in the run's validation image, and check that it is in."""

    def eject_media(self, own: OwnMedia, permit: Permit) -> None:
        """Take out our own medium and no other; none is fine."""

    def set_boot_once(self, boot_method: str, permit: Permit) -> None:
        """Boot from the medium at the next start, and only then; check that it is set."""

    def restore_boot(self, permit: Permit) -> None:
        """Take back a boot override that is ours and was not used."""

    def power_on(self, permit: Permit) -> None:
        """Switch on. Only `workers.guard.Power` calls this."""

    def power_off(self, permit: Permit) -> None:
        """Switch off at once. Only `workers.guard.Power` calls this."""

    def close(self) -> None:
        """End the session; called once, after success and after errors."""
