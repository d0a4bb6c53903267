"""Which jobs must exist for a run as it stands; the workers' sweep puts back those that are gone. Pure."""

from bringup.model import JobKind, RunState
from bringup.wire import Run

_OWED = {
    RunState.QUEUED: (JobKind.BOOT,),
    RunState.BOOTING: (JobKind.BOOT, JobKind.EXPIRE),
    RunState.WAITING: (JobKind.EXPIRE,),
    RunState.RUNNING: (JobKind.EXPIRE,),
}


def with_owed_jobs(run: Run) -> Run:
    """The run, saying which jobs it lives by."""
    owed = () if run.closed_at else _OWED.get(run.state, (JobKind.FINISH,))
    return run.model_copy(update={"owes": owed})
