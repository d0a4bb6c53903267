"""Power: the only place where a machine is switched.

Before each switch it looks at the BMC freshly and takes a permit (the device must be this run's, approved, not in
service, not in maintenance), and it posts what it did before the next one. A machine that is on is switched off and
then on, never reset: that way a worker which takes over can always tell which of the two has happened, and none
happens twice.
"""

import time
from collections.abc import Callable

from bringup.errors import BmcUnavailable
from bringup.wire.run import EventType
from workers.bmc import Bmc, PowerState
from workers.guard import Guard
from workers.permit import Clock, Permit, boot_clock

_LOOK_EVERY_S = 0.5


class Power:
    """Switches one machine, by permits of ``guard``."""

    def __init__(
        self, bmc: Bmc, guard: Guard, *, sleep: Callable[[float], None] = time.sleep, clock: Clock = boot_clock
    ) -> None:
        self._bmc = bmc
        self._guard = guard
        self._sleep = sleep
        self._clock = clock

    def switch(self, wanted: PowerState, permit: EventType) -> None:
        """Reach ``wanted``; a machine that is in this state already is left alone.

        Args:
            permit: the kind of permit to ask for.

        Raises:
            ApiRejected: the permit was refused; nothing was switched by this call.
            NotYet, PermitExpired: no permit came, or it could not be used in time.
            BmcUnavailable, BmcRejected: the BMC did not do it.
        """
        if self._bmc.power_state() == wanted:
            return

        def act(given: Permit) -> None:
            (self._bmc.power_on if wanted is PowerState.ON else self._bmc.power_off)(given)

        self._guard.write(permit, act, f"power-{wanted.value.lower()} permitted")
        self._await(wanted)

    def _await(self, wanted: PowerState) -> None:
        """A BMC may accept and be slow, or accept and do nothing: only its state counts."""
        deadline = self._clock() + self._bmc.power_settle_s
        while self._bmc.power_state() != wanted:
            if self._clock() > deadline:
                raise BmcUnavailable(f"the BMC accepted power {wanted} but the machine is not {wanted}")
            self._sleep(_LOOK_EVERY_S)
