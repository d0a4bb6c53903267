"""The boot job: makes the machine boot the validation image, and ends the run when that cannot be done."""

from contextlib import closing

from bringup.errors import ApiRejected, BmcRejected, BmcUnavailable, PermanentError, TransientError
from bringup.model import FailureReason
from bringup.wire import EventType, Run
from workers.bmc import Bmc
from workers.callback import is_stale
from workers.job import Task
from workers.power import PowerGuard
from workers.tools import Tools


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
        _fail(tools, run_id, FailureReason(error.reason), str(error))
    except BmcRejected as error:
        _fail(tools, run_id, FailureReason(error.reason), str(error))
    except (TransientError, PermanentError):
        raise
    except Exception as bug:
        # Without this the machine would be held until the run's time is up.
        _fail(tools, run_id, FailureReason.WORKER_LOST, f"the boot job failed: {type(bug).__name__}: {bug}")
        raise


def _boot(tools: Tools, task: Task, run: Run) -> None:
    with closing(tools.bmc(run)) as bmc:
        _prepare(tools, task, run, bmc)
        PowerGuard(run, bmc, tools.callback, task.owner).start()


def _prepare(tools: Tools, task: Task, run: Run, bmc: Bmc) -> None:
    if run.power_requested_at is None:  # after that the machine may be reading the medium
        bmc.power_state()  # an absent or locked BMC shows here, before a token is made
        bmc.eject_media()
        bmc.insert_media(tools.callback.media(run.run_id, task.owner))
        tools.callback.tell(run.run_id, EventType.MEDIA_INSERTED, owner=task.owner)
        bmc.set_boot_once(run.boot_method)
        tools.callback.tell(run.run_id, EventType.BOOT_OVERRIDE_SET, owner=task.owner, detail=run.boot_method)


def _leave_if_stale(tools: Tools, run_id: str, error: ApiRejected) -> None:
    if error.kind == "power_refused":
        _fail(tools, run_id, FailureReason.ABORTED, str(error))
    elif not is_stale(error):
        raise error


def _fail(tools: Tools, run_id: str, reason: FailureReason, detail: str) -> None:
    tools.tell_unless_stale(run_id, EventType.BOOT_FAILED, reason=reason, detail=detail)
