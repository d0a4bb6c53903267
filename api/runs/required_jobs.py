"""Which jobs must exist for a run as it stands; the workers' sweep puts back those that are gone. Pure."""

from api.runs.records import RunRecord
from bringup.model import JobKind, RunState
from bringup.wire.run import Run

_OWED = {
    RunState.QUEUED: (JobKind.BOOT,),
    RunState.BOOTING: (JobKind.BOOT, JobKind.EXPIRE),
    RunState.WAITING: (JobKind.EXPIRE,),
    RunState.RUNNING: (JobKind.EXPIRE,),
    RunState.UNKNOWN: (),  # only the version that wrote it knows
}


def with_owed_jobs(run: RunRecord) -> Run:
    """The run as it is shown, saying which jobs it lives by."""
    owed = () if run.closed_at else _OWED.get(run.state, (JobKind.FINISH,))
    return run.view().model_copy(update={"owes": owed})
