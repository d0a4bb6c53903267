"""The machine behind a BMC, as far as the driver must know it: its system, managers, slots, power and timing.

How long machines take is one table, by model, which settings override. Every number is what was seen, with some room;
a machine that is faster is not delayed, because its state is polled. A model that needs more gets a line in the table.

Source: Redfish schema ComputerSystem (PowerState, Reset), Resource (PowerState).
"""

from dataclasses import dataclass, field

from bringup.errors import BmcRejected, BmcUnavailable
from bringup.model import FailureReason
from bringup.settings import Settings
from workers.bmc import PowerState, ReportedIdentity
from workers.redfish import oem, refusal, resource, slots, systems, tasks
from workers.redfish.boot_override import BootOverride
from workers.redfish.connection import RedfishConnection


@dataclass(frozen=True)
class Timing:
    """How long a machine takes, in seconds.

    Args:
        power_settle_s: from an accepted power switch until the state must show it.
        media_s: from an accepted insert or eject until the slot must show it.
    """

    power_settle_s: float
    media_s: float


# For models without a line below. iDRAC takes 25 s to eject, a Supermicro X12 40 s to mount.
_DEFAULT = Timing(power_settle_s=60, media_s=60)

# (manufacturer, model): the first line whose words are in both, in any case, counts.
_MODELS: dict[tuple[str, str], Timing] = {
    # Liquid-cooled and multi-node machines take 45 s and more to switch off.
    ("nvidia", "gb"): Timing(power_settle_s=180, media_s=120),
    ("nvidia", "dgx"): Timing(power_settle_s=120, media_s=90),
    ("supermicro", "gb"): Timing(power_settle_s=180, media_s=120),
    # X12 and X13: 202, and the image appears up to 40 s later.
    ("supermicro", ""): Timing(power_settle_s=60, media_s=90),
    # iLO 5 shows PoweringOn for up to 30 s.
    ("hpe", ""): Timing(power_settle_s=60, media_s=60),
    ("lenovo", "sd"): Timing(power_settle_s=120, media_s=60),  # dense multi-node trays
}


def timing_of(system: resource.Resource, settings: Settings) -> Timing:
    """The timing of this system: of the settings, else of its model's line, else the default.

    Args:
        system: as it was just read.
        settings: BMC_POWER_SETTLE_S and BMC_MEDIA_S; 0: by model.
    """
    maker, model = system.text("Manufacturer").casefold(), system.text("Model").casefold()
    of_model = next((t for (m, word), t in _MODELS.items() if m in maker and word in model), _DEFAULT)
    return Timing(
        power_settle_s=settings.bmc_power_settle_s or of_model.power_settle_s,
        media_s=settings.bmc_media_s or of_model.media_s,
    )


# The two states that a machine can be switched to.
ON, OFF = PowerState.ON, PowerState.OFF
# What each PowerState counts as. An iLO 5 shows PoweringOn for half a minute and refuses a second On meanwhile: the
# machine is on its way. PoweringOff and Paused still draw power.
_COUNTS_AS = {"poweringon": ON, "poweringoff": ON, "paused": ON, "on": ON, "off": OFF}
# The ResetType to send; the first that the BMC lists. Never a reset or a graceful shutdown: docs/adr/0002.
_RESET_TYPES = {ON: ("On", "ForceOn"), OFF: ("ForceOff",)}


@dataclass
class RedfishMachine:
    """What was read at the login; slots are read when they are first needed, and again after they were changed.

    Args:
        connection: to its BMC, logged in.
        root: the service root.
        system: as it was read at the login.
        timing: how long it takes.
        because: why this system is the machine, for people.
    """

    connection: RedfishConnection
    root: resource.Resource
    system: resource.Resource
    timing: Timing
    because: str
    _slots: list[slots.Slot] | None = field(default=None, repr=False)
    _managers: list[resource.Resource] | None = field(default=None, repr=False)

    @classmethod
    def of(
        cls,
        connection: RedfishConnection,
        root: resource.Resource,
        settings: Settings,
        *,
        serial: str | None = None,
        uuid: str | None = None,
    ) -> "RedfishMachine":
        """The machine with this serial or UUID.

        Args:
            connection: to the BMC, logged in.
            root: the service root.
            settings: override the time that the machine takes.
            serial, uuid: of the machine; None: not on record.

        Raises:
            BmcRejected: the BMC has several systems, and none is known to be the machine.
            BmcUnavailable: it shows none.
        """
        system, because = systems.system_of(connection, root, serial=serial, uuid=uuid)
        return cls(connection, root, system, timing_of(system, settings), because)

    def require_same(self) -> None:
        """Raises BmcRejected: wrong_machine; the system names another machine than at the login.

        A BMC may be exchanged, or its address given to another, while a job waits for it. With Basic authentication
        no session would end.
        """
        if why := systems.difference(self.system, self.connection.get(self.system.path)):
            message = f"another machine answers at {self.connection.base} now: {why}"
            raise BmcRejected(message, reason=FailureReason.WRONG_MACHINE)

    def identity(self) -> ReportedIdentity:
        """Which machine this is, as the BMC reports it, read now."""
        return systems.identity_of(self.connection, self.connection.get(self.system.path))

    def managers(self) -> list[resource.Resource]:
        """The managers of this machine."""
        if self._managers is None:
            self._managers = systems.managers_of(self.connection, self.root, self.system)
        return self._managers

    def boot_override(self) -> BootOverride:
        """The standard boot override of the system, as it is now."""
        return BootOverride(self.connection, self.system)

    def oem_boot(self, boot_method: str = "cd") -> oem.OemBoot | None:
        """The vendor's way to boot the virtual disc, where the standard way does not; None for other methods."""
        if boot_method != "cd":
            return None
        return oem.boot_of_managers(self.connection, self.system, self.managers())

    def read_slots(self) -> list[slots.Slot]:
        """Every slot, as it was read last."""
        if self._slots is None:
            self._slots = slots.slots_of(self.connection, self.system, self.managers())
        return self._slots

    def usable_slots(self) -> list[slots.Slot]:
        """Those that can hold our disc, in the order in which they are tried."""
        return slots.usable(self.read_slots())

    def forget_slots(self) -> None:
        """They were changed: the next call reads them."""
        self._slots = None

    def power_state(self) -> PowerState:
        """On or Off, read now. Raises BmcUnavailable when the BMC does not know."""
        shown = self.connection.get(self.system.path).text("PowerState")
        if state := _COUNTS_AS.get(shown.casefold()):
            return state
        base = self.connection.base
        raise BmcUnavailable(f"the BMC at {base} does not know whether the machine is on: {shown or 'no state'}")

    def switch(self, wanted: PowerState) -> None:
        """Ask for On or Off, once. Whether it was done shows only in the state that is read later.

        Raises:
            BmcRejected: the system has no Reset action.
            BmcRefusal: and the machine is not as wanted.
        """
        action = self.system.action("ComputerSystem.Reset")
        if action is None:
            raise BmcRejected("the BMC has no way to switch this system", reason=FailureReason.NO_BOOT)
        try:
            answer = self.connection.post(action.target, {"ResetType": self._reset_type(action, wanted)})
            tasks.follow(self.connection, answer, self.timing.power_settle_s)
        except refusal.BmcRefusal:
            # Many refuse to switch on what is on: then nothing is wrong.
            if self.power_state() != wanted:
                raise

    def _reset_type(self, action: resource.Action, wanted: PowerState) -> str:
        allowed = action.allowable("ResetType") or tuple(
            value
            for parameter in self.connection.parameters(action)
            if parameter.text("Name") == "ResetType"
            for value in parameter.texts("AllowableValues")
        )
        return next((one for one in _RESET_TYPES[wanted] if one in allowed), _RESET_TYPES[wanted][0])
