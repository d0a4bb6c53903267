"""The four jobs. Each may be killed anywhere and run again: it asks the API where the run stands, and goes on."""

from collections.abc import Mapping
from functools import partial

from bringup import log
from bringup.errors import ApiRejected, BmcRejected, BmcUnavailable, NotYet, PermanentError
from bringup.model import FailureReason, JobKind, LeaseEvent
from bringup.queues import FUNCTION_OF
from bringup.settings import Settings
from bringup.wire import EventType, Run
from workers.bmc import bmc_of
from workers.callback import Callback, is_stale
from workers.job import JobFunction, Task
from workers.power import PowerGuard


class Tools:
    """What jobs work with."""

    def __init__(self, settings: Settings, callback: Callback) -> None:
        self.settings = settings
        self.callback = callback


def job_functions(tools: Tools) -> Mapping[str, JobFunction]:
    """The allow-list: every function that a job may name, and nothing else."""
    functions: dict[JobKind, JobFunction] = {
        JobKind.DISCOVER: discover,
        JobKind.BOOT: boot,
        JobKind.FINISH: finish,
        JobKind.EXPIRE: expire,
    }
    return {FUNCTION_OF[kind]: partial(function, tools) for kind, function in functions.items()}


def discover(tools: Tools, _task: Task, *, lease: dict[str, object]) -> None:
    """Tell the API of a lease. What follows from it, the API enqueues in the same transaction."""
    decision = tools.callback.put_run(LeaseEvent.model_validate(lease))
    log.get("workers").info("lease told", decision=str(decision.decision), reason=decision.reason)


def boot(tools: Tools, task: Task, *, run_id: str) -> None:
    """Make the machine boot the validation image."""
    try:
        tools.callback.tell(run_id, EventType.BOOT_STARTED, owner=task.owner)
        _boot(tools, task, tools.callback.run(run_id))
    except ApiRejected as error:
        _leave_if_stale(tools, run_id, error)
    except BmcUnavailable as error:
        if task.count("bmc_tries") < tools.settings.bmc_tries:
            raise
        _fail(tools, run_id, FailureReason.BMC_UNREACHABLE, str(error))
    except BmcRejected as error:
        _fail(tools, run_id, FailureReason(error.reason), str(error))


def _boot(tools: Tools, task: Task, run: Run) -> None:
    bmc = bmc_of(run, tools.settings)
    if run.power_requested_at is None:  # after that the machine may be reading the medium
        bmc.power_state()  # an absent or locked BMC shows here, before a token is made
        bmc.eject_media()
        bmc.insert_media(tools.callback.media(run.run_id, task.owner))
        tools.callback.tell(run.run_id, EventType.MEDIA_INSERTED, owner=task.owner)
        bmc.set_boot_once(run.boot_method)
        tools.callback.tell(run.run_id, EventType.BOOT_OVERRIDE_SET, owner=task.owner, detail=run.boot_method)
    PowerGuard(run, bmc, tools.callback, task.owner).start()


def _leave_if_stale(tools: Tools, run_id: str, error: ApiRejected) -> None:
    if error.kind == "power_refused":
        _fail(tools, run_id, FailureReason.ABORTED, str(error))
    elif not is_stale(error):
        raise error


def _fail(tools: Tools, run_id: str, reason: FailureReason, detail: str) -> None:
    try:
        tools.callback.tell(run_id, EventType.BOOT_FAILED, reason=reason, detail=detail)
    except ApiRejected as error:
        if not is_stale(error):
            raise


def finish(tools: Tools, task: Task, *, run_id: str) -> None:
    """Clean up after a run: medium out, power off where that is wanted and allowed, device free again.

    A BMC that stays away must not keep the device for ever: after the last try the run is closed, and says so.
    """
    run = tools.callback.run(run_id)
    if run.closed_at or not run.state.ended:
        return
    detail = "medium ejected"
    try:
        _clean_up(tools, run)
    except BmcUnavailable as error:
        if task.count("bmc_tries") < tools.settings.bmc_tries:
            raise
        detail = f"closed without clean-up: {error}"
    except PermanentError as error:
        detail = f"closed without full clean-up: {error}"
    _close(tools, run, detail)


def _clean_up(tools: Tools, run: Run) -> None:
    if run.media_at is None and run.power_requested_at is None:
        return  # the BMC was never touched
    bmc = bmc_of(run, tools.settings)
    bmc.eject_media()
    tools.callback.tell(run.run_id, EventType.MEDIA_EJECTED)
    if tools.settings.power_off_after_run and run.power_requested_at:
        PowerGuard(run, bmc, tools.callback, owner="").stop()


def _close(tools: Tools, run: Run, detail: str) -> None:
    try:
        tools.callback.tell(run.run_id, EventType.FINISHED, detail=detail)
    except ApiRejected as error:
        if not is_stale(error):
            raise
    log.get("workers").info("run closed", state=str(run.state), reason=run.reason, detail=detail)


def expire(tools: Tools, _task: Task, *, run_id: str) -> None:
    """Ask the API whether the run's time is up; if not, come back when it may be.

    Raises:
        NotYet: with the seconds until then.
    """
    try:
        reply = tools.callback.tell(run_id, EventType.DEADLINE)
    except ApiRejected as error:
        if is_stale(error):
            return
        raise
    if reply.next_s is not None:
        raise NotYet("the run's time is not up", retry_in_s=reply.next_s)
