"""The four jobs; the longest, boot, has a module of its own.

Each may be killed anywhere and run again: it asks the API for the run's state, and continues.
"""

from collections.abc import Mapping
from contextlib import closing
from functools import partial

from bringup import errors, log, model, queues
from bringup.wire.run import RunDetail
from bringup.wire.run_events import EventType, RunStep
from workers import job, job_context
from workers.bmc import OwnMedia, PowerState
from workers.boot import boot
from workers.guard import Guard, Power

# Seconds until the job runs again while the boot job of its run is still executed: that one stops at its next call of
# the API, which refuses it.
_BOOT_POLL_S = 1.0


def job_functions(context: job_context.JobContext) -> Mapping[str, job.JobFunction]:
    """The allow-list, by the name that a job has in Redis: every function that it may call, and nothing else."""
    functions: dict[model.JobKind, job.JobFunction] = {
        model.JobKind.DISCOVER: discover,
        model.JobKind.BOOT: boot,
        model.JobKind.FINISH: finish,
        model.JobKind.EXPIRE: expire,
    }
    return {queues.FUNCTION_OF[kind]: partial(function, context) for kind, function in functions.items()}


def discover(context: job_context.JobContext, _task: job.Task, *, lease: dict[str, object]) -> None:
    """Report a lease to the API, which enqueues the jobs that follow from it in the same transaction.

    Args:
        context: what jobs work with.
        lease: as the tailer has queued it.

    Raises:
        ApiUnavailable, ApiRejected: the lease was not taken.
    """
    # Unknown fields are ignored: a newer tailer that was rolled back since may have queued it.
    event = model.LeaseEvent.model_validate(lease, extra="ignore")
    decision = context.callback.put_run(event)
    log.get("workers").info("lease reported", decision=str(decision.decision), reason=decision.reason)


def expire(context: job_context.JobContext, _task: job.Task, *, run_id: str) -> None:
    """Ask the API whether the run's time is up; if not, come back when it may be.

    Args:
        context: what jobs work with.
        run_id: the run whose time is limited.

    Raises:
        NotYet: with the seconds until then.
    """
    try:
        reply = context.callback.post_event(run_id, EventType.DEADLINE)
    except errors.ApiRejected as error:
        if error.is_stale:
            return
        raise
    if reply.next_s is not None:
        raise errors.NotYet("the run's time is not up", retry_in_s=reply.next_s)


def finish(context: job_context.JobContext, task: job.Task, *, run_id: str) -> None:
    """Clean up after a run: medium out, power off where that is wanted and allowed, device free again.

    A BMC that stays away must not keep the device for ever: after the last try the run is closed, with that as its
    detail.

    Args:
        context: what jobs work with.
        task: this execution of the job.
        run_id: the run that has ended.

    Raises:
        NotYet: the boot job of this run has not stopped yet; its next step must not come after the clean-up.
        TransientError: the job is tried again.
    """
    run = context.booted.take(run_id) or _ended_run(context, run_id)
    if run is None:
        return
    # Without this a boot job that is late could insert the medium or switch on after the clean-up.
    if context.boot_in_flight(run_id):
        raise errors.NotYet("the boot job of this run has not stopped yet", retry_in_s=_BOOT_POLL_S)
    steps: tuple[RunStep, ...] = ()
    detail = "medium ejected" if _was_touched(run) else "the machine was not touched: nothing to clean up"
    try:
        steps = _clean_up_or_report_bug(context, task, run)
    except errors.BmcUnavailable as error:
        if task.count("bmc_tries") < context.settings.bmc_tries:
            context.post_retry(run_id, error, task.retry_in_s(error), task.fencing_token)
            raise
        detail = f"closed without clean-up: {error}"
    except errors.PermanentError as error:
        detail = f"closed without full clean-up: {error}"
    _close(context, run, detail, steps)


def _ended_run(context: job_context.JobContext, run_id: str) -> RunDetail | None:
    """The run, if there is still something to clean up."""
    try:
        run = context.callback.run(run_id)
    except errors.ApiRejected as error:
        if error.is_stale:
            return None
        raise
    return None if run.closed_at or not run.state.ended else run


def _clean_up_or_report_bug(context: job_context.JobContext, task: job.Task, run: RunDetail) -> tuple[RunStep, ...]:
    """As `_clean_up`; a defect of ours counts as a failed try: it must not keep the device for ever either."""
    try:
        return _clean_up(context, task, run)
    except (errors.TransientError, errors.PermanentError):
        raise
    except Exception as bug:
        log.get("workers").exception("the clean-up of a run failed")
        raise errors.BmcUnavailable(f"the clean-up failed: {type(bug).__name__}: {bug}") from bug


def _clean_up(context: job_context.JobContext, task: job.Task, run: RunDetail) -> tuple[RunStep, ...]:
    """Undo what this run did, and nothing else: our medium, our override, and the power if this run switched it on.

    Returns:
        What was done and not posted yet.
    """
    if not _was_touched(run):
        return ()
    with closing(context.bmc(run)) as bmc, Guard(context, run.run_id, bmc, task.fencing_token) as guard:
        # Another machine at this address ends the clean-up: nothing is written to it.
        guard.identify()
        failure = _switch_off(context, guard, run)
        eject = EventType.CLEANUP_REQUESTED
        guard.write(eject, lambda permit: bmc.eject_media(OwnMedia.of(run), permit), "eject our medium")
        guard.taken(EventType.MEDIA_EJECTED)
        # After the permit to eject, which is given only when no request of another worker can arrive any more.
        if _may_have_an_override(run) and bmc.has_boot_override():
            guard.write(eject, bmc.restore_boot, "take our boot override back")
        if failure:
            raise failure
        return guard.last_steps()


def _switch_off(
    context: job_context.JobContext, guard: Guard, run: RunDetail
) -> errors.ApiRejected | errors.BmcRejected | errors.BmcUnavailable | None:
    """Switch off what this run has switched on, if that is wanted. First, because its permit covers the rest.

    Returns:
        Why it could not be done: our medium and our override are taken out all the same.
    """
    if context.settings.power_off_after_run and (run.power_on_requested_at or run.powered_on_at):
        try:
            Power(guard).switch(PowerState.OFF, EventType.POWER_OFF_REQUESTED)
        except (errors.ApiRejected, errors.BmcRejected, errors.BmcUnavailable) as error:
            guard.identify()  # what was posted with a question that was refused does not count
            return error
    return None


def _may_have_an_override(run: RunDetail) -> bool:
    """Whether the override may be ours: one that this run has not set is another user's."""
    # A worker of an older version posted that it was set, without asking for a permit of this kind.
    was_posted = any(entry.type == EventType.BOOT_OVERRIDE_SET for entry in run.timeline)
    return was_posted or run.override_requested_at is not None


def _was_touched(run: RunDetail) -> bool:
    """Whether a medium may be in; a worker may have been killed between putting it in and posting that."""
    minted = any(entry.type == "media_minted" for entry in run.timeline)
    return minted or run.write_permitted_at is not None or run.power_requested_at is not None


def _close(context: job_context.JobContext, run: RunDetail, detail: str, steps: tuple[RunStep, ...]) -> None:
    if reply := context.post_unless_stale(run.run_id, EventType.FINISHED, detail=detail, before=steps):
        log.get("workers").info("run closed", state=str(reply.state), reason=reply.reason, detail=detail)
