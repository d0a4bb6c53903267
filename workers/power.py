"""The power guard: the only place where a machine's power is switched.

Each switch asks the API for leave first (the device must be this run's, approved, not in service, not in
maintenance), looks at the BMC freshly, and tells what it did before the next one. A machine that is on is
switched off and then on, never reset: that way a worker which takes over can always tell which of the two
has happened, and none happens twice.
"""

import time
from collections.abc import Callable

from bringup.errors import BmcUnavailable
from bringup.wire import EventType, Run
from workers.bmc import Bmc, PowerState
from workers.callback import Callback

_SETTLE_S = 20.0
_LOOK_EVERY_S = 0.5


class PowerGuard:
    """Switches one run's machine.

    Args:
        owner: the execution of the boot job that may switch; see `bringup.wire.RunEvent`.
    """

    def __init__(
        self, run: Run, bmc: Bmc, callback: Callback, owner: str, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._run = run
        self._bmc = bmc
        self._callback = callback
        self._owner = owner
        self._sleep = sleep

    def start(self) -> None:
        """Bring the machine from whatever it is through off to on, once.

        Raises:
            ApiRejected: leave was refused; nothing was switched by this call.
            BmcUnavailable, BmcRejected: the BMC did not do it.
        """
        if self._run.powered_on_at:
            return
        if not self._run.powered_off_at:
            self._tell(EventType.POWER_REQUESTED, "leave to switch off and on")
            self._switch(PowerState.OFF)
            self._tell(EventType.POWERED_OFF, "")
        self._tell(EventType.POWER_REQUESTED, "leave to switch on")
        self._switch(PowerState.ON)
        self._tell(EventType.POWERED_ON, "")

    def stop(self) -> None:
        """Switch the machine off after its run. Raises as `start`."""
        if self._bmc.power_state() == PowerState.OFF:
            return
        self._tell(EventType.POWER_OFF_REQUESTED, "leave to switch off after the run")
        self._switch(PowerState.OFF)

    def _switch(self, wanted: PowerState) -> None:
        """Reach ``wanted``; a machine that stands there already is left alone."""
        if self._bmc.power_state() == wanted:
            return
        if wanted is PowerState.ON:
            self._bmc.power_on()
        else:
            self._bmc.power_off()
        self._await(wanted)

    def _await(self, wanted: PowerState) -> None:
        """A BMC may accept and be slow, or accept and do nothing: only its state counts."""
        deadline = time.monotonic() + _SETTLE_S
        while self._bmc.power_state() != wanted:
            if time.monotonic() > deadline:
                raise BmcUnavailable(f"the BMC accepted power {wanted} but the machine is not {wanted}")
            self._sleep(_LOOK_EVERY_S)

    def _tell(self, what: EventType, detail: str) -> None:
        self._callback.tell(self._run.run_id, what, owner=self._owner, detail=detail)
