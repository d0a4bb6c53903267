"""The machine behind a BMC, as far as the driver must know it: its system, its managers, its slots, its pace."""

from dataclasses import dataclass, field
from typing import Self

from bringup.errors import BmcRejected
from bringup.model import FailureReason
from bringup.settings import Settings
from workers.redfish.connection import RedfishConnection
from workers.redfish.machine_identity import other_than
from workers.redfish.oem import OemBoot, boot_of_managers
from workers.redfish.resource import Resource
from workers.redfish.slots import Slot, slots_of, usable
from workers.redfish.systems import managers_of, system_of
from workers.redfish.timing import Timing, timing_of


@dataclass
class Machine:
    """What was read at the login; slots are read when they are first needed, and again after they were changed."""

    connection: RedfishConnection
    root: Resource
    system: Resource
    timing: Timing
    because: str  # this system is the machine
    _slots: list[Slot] | None = field(default=None, repr=False)
    _managers: list[Resource] | None = field(default=None, repr=False)

    @classmethod
    def of(
        cls,
        connection: RedfishConnection,
        root: Resource,
        settings: Settings,
        *,
        serial: str | None = None,
        uuid: str | None = None,
    ) -> Self:
        """The machine with this serial or UUID. Raises BmcRejected: it cannot be told which of several it is."""
        system, because = system_of(connection, root, serial=serial, uuid=uuid)
        return cls(connection, root, system, timing_of(system, settings), because)

    def require_same(self) -> None:
        """Raises BmcRejected: wrong_machine; the system names another machine than at the login.

        A BMC may be exchanged, or its address given to another, while a job waits for it. With Basic authentication
        no session would end.
        """
        if why := other_than(self.system, self.connection.get(self.system.path)):
            message = f"another machine answers at {self.connection.base} now: {why}"
            raise BmcRejected(message, reason=FailureReason.WRONG_MACHINE)

    def managers(self) -> list[Resource]:
        """The managers of this machine."""
        if self._managers is None:
            self._managers = managers_of(self.connection, self.root, self.system)
        return self._managers

    def oem_boot(self) -> OemBoot | None:
        """The vendor's way to boot the virtual disc, where the standard way does not."""
        return boot_of_managers(self.connection, self.system, self.managers())

    def read_slots(self) -> list[Slot]:
        """Every slot, as it was read last."""
        if self._slots is None:
            self._slots = slots_of(self.connection, self.system, self.managers())
        return self._slots

    def usable_slots(self) -> list[Slot]:
        """Those that can hold our disc, in the order in which they are tried."""
        return usable(self.read_slots())

    def forget_slots(self) -> None:
        """They were changed: the next question reads them."""
        self._slots = None
