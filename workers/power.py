"""The power guard: the only place where a machine's power is switched.

Before each switch it looks at the BMC freshly and asks the API for leave (the device must be this run's,
approved, not in service, not in maintenance), and it tells what it did before the next one. A machine that
is on is switched off and then on, never reset: that way a worker which takes over can always tell which of
the two has happened, and none happens twice. Leave holds for seconds only: a worker that was stopped in its
tracks and wakes up later must not act upon what was true then.
"""

import time
from collections.abc import Callable

from bringup.errors import ApiUnavailable, BmcUnavailable
from bringup.wire import EventType, Run
from workers.bmc import Bmc, PowerState
from workers.callback import Callback

LEAVE_S = 5.0  # less than the time after which a silent worker's job is given to another
_SETTLE_S = 20.0
_LOOK_EVERY_S = 0.5


class PowerGuard:
    """Switches one run's machine.

    Args:
        owner: the execution of the boot job that may switch; see `bringup.wire.RunEvent`.
    """

    def __init__(
        self,
        run: Run,
        bmc: Bmc,
        callback: Callback,
        owner: str,
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._run = run
        self._bmc = bmc
        self._callback = callback
        self._owner = owner
        self._sleep = sleep
        self._clock = clock

    def start(self) -> None:
        """Bring the machine from whatever it is through off to on, once.

        Raises:
            ApiRejected: leave was refused; nothing was switched by this call.
            ApiUnavailable: leave did not come in time to be used.
            BmcUnavailable, BmcRejected: the BMC did not do it.
        """
        if self._run.powered_on_at:
            return
        if not self._run.powered_off_at:
            self._switch(PowerState.OFF, EventType.POWER_REQUESTED)
            self._tell(EventType.POWERED_OFF)
        self._switch(PowerState.ON, EventType.POWER_REQUESTED)
        self._tell(EventType.POWERED_ON)

    def stop(self) -> None:
        """Switch the machine off after its run. Raises as `start`."""
        self._switch(PowerState.OFF, EventType.POWER_OFF_REQUESTED)

    def _switch(self, wanted: PowerState, leave: EventType) -> None:
        """Reach ``wanted``; a machine that stands there already is left alone."""
        if self._bmc.power_state() == wanted:
            return
        self._ask(leave, f"leave to switch {wanted.value.lower()}")
        if wanted is PowerState.ON:
            self._bmc.power_on()
        else:
            self._bmc.power_off()
        self._await(wanted)

    def _ask(self, leave: EventType, detail: str) -> None:
        asked_at = self._clock()
        self._tell(leave, detail)
        if self._clock() - asked_at > LEAVE_S:
            raise ApiUnavailable(f"{detail} came too late to be used")

    def _await(self, wanted: PowerState) -> None:
        """A BMC may accept and be slow, or accept and do nothing: only its state counts."""
        deadline = self._clock() + _SETTLE_S
        while self._bmc.power_state() != wanted:
            if self._clock() > deadline:
                raise BmcUnavailable(f"the BMC accepted power {wanted} but the machine is not {wanted}")
            self._sleep(_LOOK_EVERY_S)

    def _tell(self, what: EventType, detail: str = "") -> None:
        self._callback.tell(self._run.run_id, what, owner=self._owner, detail=detail)
