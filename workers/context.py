"""What jobs work with, and the two things that all of them do when the API refuses them."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from bringup.errors import ApiRejected
from bringup.settings import Settings
from bringup.wire.run import EventType, Run
from workers.bmc import Bmc, bmc_of
from workers.callback import Callback, is_stale
from workers.guard import Guard
from workers.job import Task
from workers.permit import Clock, boot_clock
from workers.power import Power

MakeBmc = Callable[[Run, Settings], Bmc]


def _never(_run_id: str) -> bool:
    return False


@dataclass(frozen=True)
class Tools:
    """What jobs work with.

    Args:
        boot_in_hand: whether some worker has the boot job of a run in hand now.
        clock, sleep: in seconds; what permits and waiting for a machine go by.
    """

    settings: Settings
    callback: Callback
    boot_in_hand: Callable[[str], bool] = _never
    make_bmc: MakeBmc = bmc_of
    clock: Clock = boot_clock
    sleep: Callable[[float], None] = time.sleep

    def bmc(self, run: Run) -> Bmc:
        """The BMC of the run's device. Raises BmcRejected."""
        return self.make_bmc(run, self.settings)

    def guard(self, run: Run, bmc: Bmc, task: Task) -> Guard:
        """Permits for what one execution of a job writes to the run's BMC."""
        return Guard(run.run_id, bmc, self.callback, task.owner, clock=self.clock, sleep=self.sleep)

    def power(self, bmc: Bmc, guard: Guard) -> Power:
        """The machine's power switch."""
        return Power(bmc, guard, sleep=self.sleep, clock=self.clock)

    def tell_unless_stale(self, run_id: str, what: EventType, **words: object) -> bool:
        """Tell of something that may have been told, or overtaken, already; returns whether it was news."""
        try:
            self.callback.tell(run_id, what, **words)  # type: ignore[arg-type]
        except ApiRejected as error:
            if not is_stale(error):
                raise
            return False
        return True
