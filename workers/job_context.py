"""What jobs work with: the callback API in typed calls, the BMC of a run, the settings and the clock."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from bringup import errors, model, text
from bringup.connections.api_client import ApiClient
from bringup.settings import Settings
from bringup.wire import bmc as bmc_wire
from bringup.wire.run import MachineIdentity, Run, RunDecision, RunDetail, RunList
from bringup.wire.run_events import LONGEST_RETRY_S, EventType, RunEvent, RunEventReply, RunStep
from workers.bmc import Bmc, Clock
from workers.booted_runs import BootedRuns
from workers.redfish import RedfishBmc
from workers.redfish.transport import Measured, unmeasured
from workers.simulated_bmc import SimulatedBmc

# Characters of a detail, escaped as `bringup.wire.run_events.RunEvent` has it, which refuses more.
_MAX_DETAIL = 1024
# Makes the driver for the BMC of a run.
MakeBmc = Callable[[Run, Settings], Bmc]


class Callback:
    """The API as a worker sees it.

    Raises:
        ApiUnavailable, ApiRejected: from every method, as `ApiClient` does.
    """

    def __init__(self, client: ApiClient) -> None:
        self._client = client

    def put_run(self, lease: model.LeaseEvent) -> RunDecision:
        """Report a lease; the same again is harmless."""
        with _refused_login_waits():
            return self._client.put(f"/runs/{lease.run_id}", lease, RunDecision)

    def run(self, run_id: str) -> RunDetail:
        """A run as it is now."""
        with _refused_login_waits():
            return self._client.get(f"/runs/{run_id}", RunDetail)

    def open_runs(self) -> tuple[Run, ...]:
        """Every run that is not closed, with the jobs that it needs; none that only waits for a boot slot."""
        with _refused_login_waits():
            return self._client.get("/runs?open=true&waiting=false", RunList).runs

    def post_event(
        self,
        run_id: str,
        what: EventType,
        *,
        fencing_token: str = "",
        detail: str = "",
        reason: model.FailureReason | None = None,
        identity: MachineIdentity | None = None,
        before: tuple[RunStep, ...] = (),
        wants_run: bool = False,
        retry_in_s: float | None = None,
        wants_media: bool = False,
    ) -> RunEventReply:
        """Post a step that was taken, or ask for a permit.

        Args:
            run_id: the run that it is about.
            what: the event.
            fencing_token: of the execution that posts; empty: any may.
            detail: the line that the run's timeline shows; cut to 1,024 characters.
            reason: why the run fails, for an event that ends it.
            identity: of the machine, for `machine_identified`.
            before: steps that were taken since the last event, oldest first.
            wants_run: the reply has the run.
            retry_in_s: seconds until the job runs again, for `retry_scheduled`.
            wants_media: the reply has what the machine must boot, with a fresh run token.

        Raises:
            ApiRejected: it does not apply any more.
        """
        # Only what is used: an API of a version before refuses fields that it does not know.
        used = {"before": before, "wants_run": wants_run, "wants_media": wants_media}
        more: dict[str, object] = {name: value for name, value in used.items() if value}
        if retry_in_s is not None:
            more["retry_in_s"] = min(retry_in_s, LONGEST_RETRY_S)
        event = RunEvent.model_validate(
            {"type": what, "owner": fencing_token, "detail": cut(detail), "reason": reason, "identity": identity} | more
        )
        with _refused_login_waits():
            return self._client.post(f"/runs/{run_id}/events", event, RunEventReply)

    def count_bmc_requests(self, report: bmc_wire.BmcRequests) -> None:
        """Report how long BMCs took to answer; the same again is counted once."""
        with _refused_login_waits():
            self._client.post("/bmc-requests", report, bmc_wire.BmcRequestsReply)


@contextmanager
def _refused_login_waits() -> Iterator[None]:
    """A wrong token or certificate of ours waits for an operator: the job is tried again, and is not lost."""
    try:
        yield
    except errors.ApiRejected as error:
        # Without this a renewal of certificates in the wrong order would fail every job for good.
        if error.kind in {"unauthorized", "forbidden"}:
            raise errors.ApiUnavailable(f"{error} (a worker has API_TOKEN and API_CLIENT_CERT)") from error
        raise


def cut(detail: str) -> str:
    """As much of a detail as the API takes."""
    return text.printable(detail)[:_MAX_DETAIL]


def bmc_of(run: Run, settings: Settings, *, measured: Measured = unmeasured) -> Bmc:
    """The BMC on record for the run's device; never the one that holds the lease.

    Args:
        run: of the device.
        settings: of this process.
        measured: is given the seconds until each request was answered, or given up.

    Raises:
        BmcRejected: there is no driver for this address.
    """
    if run.bmc is None:
        message = (
            "the API names no BMC for this run: its device has left the inventory, or its address there and API_TOKEN "
            "were both changed during the run"
        )
        raise errors.BmcRejected(message, reason=model.FailureReason.BMC_UNREACHABLE)
    address = urlsplit(run.bmc)
    if address.scheme == "simulated" and settings.environment != "production":
        return SimulatedBmc(address.netloc, address.path, settings)
    if address.scheme == "https":
        return RedfishBmc(run, settings, measured=measured)
    raise errors.BmcRejected(
        f"no driver for the BMC address {run.bmc!r} when ENVIRONMENT={settings.environment}",
        reason=model.FailureReason.BMC_UNREACHABLE,
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
        booted: the runs whose machines were booted here.
    """

    settings: Settings
    callback: Callback
    boot_in_flight: Callable[[str], bool] = _never
    make_bmc: MakeBmc = bmc_of
    clock: Clock = model.boot_clock
    sleep: Callable[[float], None] = time.sleep
    booted: BootedRuns = field(default_factory=BootedRuns)

    def bmc(self, run: Run) -> Bmc:
        """The BMC of the run's device. Raises BmcRejected."""
        return self.make_bmc(run, self.settings)

    def post_retry(self, run_id: str, error: errors.BmcUnavailable, retry_in_s: float, fencing_token: str) -> None:
        """Post why the BMC did not do it, and when it is tried again; without effect where the API takes no post now.

        Args:
            run_id: the run that it is about.
            error: what the BMC did not do.
            retry_in_s: seconds until the job runs again.
            fencing_token: of the execution that ends.
        """
        # The job is tried again in any case: a post that fails must not take the place of what has happened.
        with suppress(errors.BringupError):
            what = EventType.RETRY_SCHEDULED
            self.callback.post_event(
                run_id, what, fencing_token=fencing_token, detail=str(error), retry_in_s=retry_in_s
            )

    def post_unless_stale(self, run_id: str, what: EventType, **fields: object) -> RunEventReply | None:
        """Post an event that may have been posted, or overtaken, already; returns None if it did not apply.

        Args:
            run_id: the run that it is about.
            what: the event.
            fields: as `Callback.post_event` takes them.
        """
        try:
            return self.callback.post_event(run_id, what, **fields)  # type: ignore[arg-type]
        except errors.ApiRejected as error:
            if not error.is_stale:
                raise
            return None
