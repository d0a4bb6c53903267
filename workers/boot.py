"""The boot job: makes the machine boot the validation image, and ends the run when that cannot be done.

Its order is the field's: the medium is put in and read back while the machine is as it was found; then it is
switched off, the boot override is set, and it is switched on. BMCs refuse the override while the host is in POST.
Each write has a permit of its own, and each step is looked at before it is taken: a job that was killed anywhere is
run again, and goes on.
"""

from contextlib import closing

from bringup.errors import (
    ApiRejected,
    BmcBusy,
    BmcRejected,
    BmcUnavailable,
    PermanentError,
    PermitExpired,
    TransientError,
)
from bringup.model import FailureReason
from bringup.wire.run import EventType, RunDetail
from workers.bmc import Bmc, PowerState
from workers.callback import is_stale
from workers.context import Tools
from workers.guard import Guard
from workers.host import is_shortage
from workers.job import Task
from workers.own_media import own_media


def boot(tools: Tools, task: Task, *, run_id: str) -> None:
    """Make the machine boot the validation image."""
    try:
        tools.callback.tell(run_id, EventType.BOOT_STARTED, owner=task.owner)
        _boot(tools, task, tools.callback.run(run_id))
    except ApiRejected as error:
        _end_if_refused(tools, run_id, error)
    except (BmcUnavailable, PermitExpired) as error:
        if _may_be_tried_again(tools, task, error):
            raise
        reason = error.reason if isinstance(error, BmcUnavailable) else FailureReason.BMC_UNREACHABLE
        _fail(tools, run_id, FailureReason(reason), str(error))
    except BmcRejected as error:
        _fail(tools, run_id, FailureReason(error.reason), str(error))
    except (TransientError, PermanentError):
        raise
    except Exception as bug:
        if is_shortage(bug):
            raise  # this host's, not the machine's: `workers.job` has it tried again
        # Without this the machine would be held until the run's time is up.
        _fail(tools, run_id, FailureReason.WORKER_LOST, f"the boot job failed: {type(bug).__name__}: {bug}")
        raise


def _may_be_tried_again(tools: Tools, task: Task, error: TransientError) -> bool:
    """Whether a BMC that did not do it gets another chance.

    To wait for a host in POST, or for a job of the BMC's own, costs no try: every rack that is powered up starts so.
    A machine has BOOT_TIMEOUT_S to boot, and its BMC no longer than that.
    """
    if isinstance(error, BmcBusy):
        return task.seconds_since_first("bmc_busy") < tools.settings.boot_timeout_s
    return task.count("bmc_tries") < tools.settings.bmc_tries


def _boot(tools: Tools, task: Task, run: RunDetail) -> None:
    if run.powered_on_at:
        return
    with closing(tools.bmc(run)) as bmc, tools.guard(run, bmc, task) as guard:
        if not guard.identify():  # an absent or locked BMC shows here, before a token is made
            return
        power = tools.power(bmc, guard)
        if run.power_on_requested_at is None:  # from then on the machine may be reading the medium
            _insert(tools, task, run, bmc, guard)
            power.switch(PowerState.OFF, EventType.POWER_REQUESTED)
            tools.callback.tell(run.run_id, EventType.POWERED_OFF, owner=task.owner)
        _switch_on(tools, task, run, bmc, guard)


def _insert(tools: Tools, task: Task, run: RunDetail, bmc: Bmc, guard: Guard) -> None:
    guard.write(EventType.WRITE_REQUESTED, lambda permit: bmc.eject_media(own_media(run), permit), "eject our medium")
    media = tools.callback.media(run.run_id, task.owner)
    guard.write(EventType.WRITE_REQUESTED, lambda permit: bmc.insert_media(media, permit), "insert the medium")
    tools.callback.tell(run.run_id, EventType.MEDIA_INSERTED, owner=task.owner)


def _switch_on(tools: Tools, task: Task, run: RunDetail, bmc: Bmc, guard: Guard) -> None:
    if run.power_on_requested_at is None or bmc.power_state() != PowerState.ON:
        set_once = lambda permit: bmc.set_boot_once(run.boot_method, permit)  # noqa: E731
        guard.write(EventType.OVERRIDE_REQUESTED, set_once)
        tools.callback.tell(run.run_id, EventType.BOOT_OVERRIDE_SET, owner=task.owner, detail=run.boot_method)
        tools.power(bmc, guard).switch(PowerState.ON, EventType.POWER_ON_REQUESTED)
    tools.callback.tell(run.run_id, EventType.POWERED_ON, owner=task.owner)


def _end_if_refused(tools: Tools, run_id: str, error: ApiRejected) -> None:
    """A permit that was refused ends the run: its clean-up undoes what was done until then."""
    if error.kind == "power_refused":
        _fail(tools, run_id, FailureReason.ABORTED, str(error))
    elif not is_stale(error):
        raise error


def _fail(tools: Tools, run_id: str, reason: FailureReason, detail: str) -> None:
    tools.tell_unless_stale(run_id, EventType.BOOT_FAILED, reason=reason, detail=detail)
