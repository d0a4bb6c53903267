"""A run that is not closed, as the API shows it to a worker that looks for missing jobs."""

from bringup.model import Decision, JobKind, RunState, utc_now
from bringup.wire.run import Run

RUN_ID = "02-00-00-00-00-01-1767225600"


def run_that_owes(*kinds: JobKind) -> Run:
    """It needs these jobs."""
    return Run(
        run_id=RUN_ID,
        device="m",
        mac="02:00:00:00:00:01",
        ip="",
        decision=Decision.START,
        state=RunState.BOOTING,
        created_at=utc_now(),
        updated_at=utc_now(),
        required_jobs=kinds,
    )
