"""The boot job: makes the machine boot the validation image, and ends the run when that cannot be done.

Its order is the one that BMCs take: the medium is put in and read back while the power is as it was found; then the
machine is switched off, the boot override is set, and the machine is switched on. BMCs refuse the override while the
host is in POST. Each write needs a permit, and before each step the job reads whether it was done already: a job that
was killed anywhere is run again, and continues.
"""

from contextlib import closing

from bringup import errors, log, model
from bringup.wire.run import RunDetail
from bringup.wire.run_events import EventType
from workers import job, job_context
from workers.bmc import OwnMedia, PowerState
from workers.guard import Guard, Power


def boot(context: job_context.JobContext, task: job.Task, *, run_id: str) -> None:
    """Make the machine boot the validation image.

    Args:
        context: what jobs work with.
        task: this execution of the job.
        run_id: the run that the machine boots for.

    Raises:
        TransientError: the job is tried again.
        PermanentError: the API refuses the job itself.
    """
    try:
        post, token = context.callback.post_event, task.fencing_token
        begun = post(run_id, EventType.BOOT_STARTED, fencing_token=token, wants_run=True)
        _boot(context, task, begun.run or context.callback.run(run_id))
    except errors.ApiRejected as error:
        _end_if_refused(context, run_id, error)
    except errors.BmcUnavailable as error:
        if _may_retry(context, task, error):
            context.post_retry(run_id, error, task.retry_in_s(error), task.fencing_token)
            raise
        _fail(context, run_id, model.FailureReason(error.reason), str(error))
    except errors.BmcRejected as error:
        _fail(context, run_id, model.FailureReason(error.reason), str(error))
    except (errors.TransientError, errors.PermanentError):
        raise
    except Exception as bug:
        if job.is_shortage(bug):
            raise  # an error of this host, not of the machine: `workers.job` has it tried again
        # Without this the device would belong to the run until the run's time is up.
        _fail(context, run_id, model.FailureReason.WORKER_LOST, f"the boot job failed: {type(bug).__name__}: {bug}")
        raise


def _may_retry(context: job_context.JobContext, task: job.Task, error: errors.BmcUnavailable) -> bool:
    """Whether a BMC that did not do it gets another try.

    Waiting for a host in POST, or for a job of the BMC's own, costs no try: every rack that is powered up starts so.
    A machine has BOOT_TIMEOUT_S to boot, and its BMC no longer than that.
    """
    if isinstance(error, errors.BmcBusy):
        return task.seconds_since_first("bmc_busy") < context.settings.boot_timeout_s
    return task.count("bmc_tries") < context.settings.bmc_tries


def _boot(context: job_context.JobContext, task: job.Task, run: RunDetail) -> None:
    if run.powered_on_at:
        return  # an execution that was killed at its very end
    with closing(context.bmc(run)) as bmc, Guard(context, run.run_id, bmc, task.fencing_token) as guard:
        # First, because an absent or locked BMC shows here, before a token is made.
        guard.identify()
        # Once power-on was permitted the machine may be reading the medium: exchanging it, or switching off, would end
        # a boot that has begun.
        if run.power_on_requested_at is None:
            _insert(run, guard)
            Power(guard).switch(PowerState.OFF, EventType.POWER_REQUESTED)
            guard.taken(EventType.POWERED_OFF)
        _switch_on(run, guard)
        context.booted.remember(run, guard.media)


def _insert(run: RunDetail, guard: Guard) -> None:
    bmc, own = guard.bmc, OwnMedia.of(run)
    # What an earlier execution has inserted bears an older token, which the next one makes invalid.
    if bmc.holds_media(own):
        guard.write(EventType.WRITE_REQUESTED, lambda permit: bmc.eject_media(own, permit), "eject our medium")
    # Of a machine that is off the override is set right after it: one permit for both. Of one that is on no permit for
    # the override is asked for until it is off: in a run that ends before, an override is another user's.
    if bmc.power_state() == PowerState.OFF:
        guard.ask_ahead(EventType.OVERRIDE_REQUESTED, "insert the medium, and set the boot override")
    guard.insert_media("insert the medium")
    guard.taken(EventType.MEDIA_INSERTED)


def _switch_on(run: RunDetail, guard: Guard) -> None:
    bmc = guard.bmc
    # A machine that is on was switched on by an execution before this one: its override is used up already.
    if run.power_on_requested_at is None or bmc.power_state() != PowerState.ON:
        guard.write(EventType.OVERRIDE_REQUESTED, lambda permit: bmc.set_boot_once(run.boot_method, permit))
        guard.taken(EventType.BOOT_OVERRIDE_SET, detail=run.boot_method)
        Power(guard).switch(PowerState.ON, EventType.POWER_ON_REQUESTED)
    guard.end_with(EventType.POWERED_ON)


def _end_if_refused(context: job_context.JobContext, run_id: str, error: errors.ApiRejected) -> None:
    """Without a slot the boot waits. Without a permit the run ends: its clean-up undoes what was done until then."""
    if error.kind == "no_boot_slot":
        log.get("workers").info("waits for a boot slot; the API enqueues the boot again")
    elif error.kind == "power_refused":
        _fail(context, run_id, model.FailureReason.ABORTED, str(error))
    elif not error.is_stale:
        raise error


def _fail(context: job_context.JobContext, run_id: str, reason: model.FailureReason, detail: str) -> None:
    context.post_unless_stale(run_id, EventType.BOOT_FAILED, reason=reason, detail=detail)
