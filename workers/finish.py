"""The finish job: cleans up after a run, and gives the device back."""

from contextlib import closing

from bringup import log
from bringup.errors import ApiRejected, BmcUnavailable, NotYet, PermanentError, PermitExpired, TransientError
from bringup.wire.run import EventType, RunDetail
from workers.bmc import PowerState
from workers.callback import is_stale
from workers.context import Tools
from workers.job import Task
from workers.own_media import own_media

_LOOK_AGAIN_S = 1.0


def finish(tools: Tools, task: Task, *, run_id: str) -> None:
    """Clean up after a run: medium out, power off where that is wanted and allowed, device free again.

    A BMC that stays away must not keep the device for ever: after the last try the run is closed, and says so.

    Raises:
        NotYet: the boot job of this run has not stopped yet; what it does next must not outlive the clean-up.
    """
    run = _ended_run(tools, run_id)
    if run is None:
        return
    if tools.boot_in_hand(run_id):
        raise NotYet("the boot job of this run has not stopped yet", retry_in_s=_LOOK_AGAIN_S)
    detail = "medium ejected" if _was_touched(run) else "the machine was not touched: nothing to clean up"
    try:
        _clean_up_or_say_why(tools, task, run)
    except (BmcUnavailable, PermitExpired) as error:
        if task.count("bmc_tries") < tools.settings.bmc_tries:
            raise
        detail = f"closed without clean-up: {error}"
    except PermanentError as error:
        detail = f"closed without full clean-up: {error}"
    _close(tools, run, detail)


def _ended_run(tools: Tools, run_id: str) -> RunDetail | None:
    """The run, if there is still something to clean up."""
    try:
        run = tools.callback.run(run_id)
    except ApiRejected as error:
        if is_stale(error):
            return None
        raise
    return None if run.closed_at or not run.state.ended else run


def _clean_up_or_say_why(tools: Tools, task: Task, run: RunDetail) -> None:
    """What breaks the clean-up, a bug or a BMC that nobody thought of, must not keep the device for ever either."""
    try:
        _clean_up(tools, task, run)
    except (TransientError, PermanentError):
        raise
    except Exception as bug:
        log.get("workers").exception("the clean-up of a run failed")
        raise BmcUnavailable(f"the clean-up failed: {type(bug).__name__}: {bug}") from bug


def _clean_up(tools: Tools, task: Task, run: RunDetail) -> None:
    """Undo what this run did, and nothing else: our medium, our override, and the power if it was we who gave it."""
    if not _was_touched(run):
        return
    with closing(tools.bmc(run)) as bmc, tools.guard(run, bmc, task) as guard:
        guard.identify()
        eject = EventType.CLEANUP_REQUESTED
        guard.write(eject, lambda permit: bmc.eject_media(own_media(run), permit), "eject our medium")
        tools.callback.tell(run.run_id, EventType.MEDIA_EJECTED)
        if _may_have_an_override(run):
            guard.write(eject, bmc.restore_boot, "take our boot override back")
        if tools.settings.power_off_after_run and (run.power_on_requested_at or run.powered_on_at):
            tools.power(bmc, guard).switch(PowerState.OFF, EventType.POWER_OFF_REQUESTED)


def _may_have_an_override(run: RunDetail) -> bool:
    """Whether the override may be ours: one that this run has not set is somebody else's."""
    told = any(entry.type == EventType.BOOT_OVERRIDE_SET for entry in run.timeline)  # by a worker of an older version
    return told or run.override_requested_at is not None


def _was_touched(run: RunDetail) -> bool:
    """Whether a medium may be in; a worker may have been killed between putting it in and telling so."""
    minted = any(entry.type == "media_minted" for entry in run.timeline)
    return minted or run.write_permitted_at is not None or run.power_requested_at is not None


def _close(tools: Tools, run: RunDetail, detail: str) -> None:
    if tools.tell_unless_stale(run.run_id, EventType.FINISHED, detail=detail):
        log.get("workers").info("run closed", state=str(run.state), reason=run.reason, detail=detail)
