"""What jobs work with: the settings, the API, the BMC of a run, and the clock."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from bringup.errors import ApiRejected, BmcRejected
from bringup.model import FailureReason
from bringup.settings import Settings
from bringup.wire.run import EventType, Run
from workers.bmc import Bmc, Clock, boot_clock
from workers.callback import Callback
from workers.redfish import RedfishBmc
from workers.simulated_bmc import SimulatedBmc

# Makes the driver for the BMC of a run.
MakeBmc = Callable[[Run, Settings], Bmc]


def bmc_of(run: Run, settings: Settings) -> Bmc:
    """The BMC on record for the run's device; never the one that holds the lease.

    Raises:
        BmcRejected: there is no driver for this address.
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


def _never(_run_id: str) -> bool:
    return False


@dataclass(frozen=True)
class JobContext:
    """What jobs work with.

    Args:
        settings: of this process.
        callback: the API.
        boot_in_flight: whether a worker executes the boot job of a run now.
        make_bmc: the driver for a run's BMC.
        clock, sleep: in seconds; for permits and for waiting for a machine.
    """

    settings: Settings
    callback: Callback
    boot_in_flight: Callable[[str], bool] = _never
    make_bmc: MakeBmc = bmc_of
    clock: Clock = boot_clock
    sleep: Callable[[float], None] = time.sleep

    def bmc(self, run: Run) -> Bmc:
        """The BMC of the run's device. Raises BmcRejected."""
        return self.make_bmc(run, self.settings)

    def post_unless_stale(self, run_id: str, what: EventType, **fields: object) -> bool:
        """Post an event that may have been posted, or overtaken, already; returns whether it applied.

        Args:
            run_id: the run that it is about.
            what: the event.
            fields: as `Callback.post_event` takes them.
        """
        try:
            self.callback.post_event(run_id, what, **fields)  # type: ignore[arg-type]
        except ApiRejected as error:
            if not error.is_stale:
                raise
            return False
        return True
