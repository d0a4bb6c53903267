"""When a permit may still be in use: who takes a machine over waits until nothing can arrive any more. Pure.

A killed worker leaves a request behind that may be on its way. A worker that lives gives its permit back when
everything it sent was answered, or waited for as long as an answer may take.
"""

from datetime import datetime, timedelta

from api.runs.records import RunRecord
from bringup.errors import NotYet
from bringup.wire.run import ARRIVAL_S, PERMIT_S

NONE_GIVEN: dict[str, object] = {"permit_owner": "", "permit_ends_at": None}


def given(owner: str, now: datetime) -> dict[str, object]:
    """What a run records of a permit that is given now."""
    return {"permit_owner": owner, "permit_ends_at": now + timedelta(seconds=PERMIT_S)}


def refuse_while_in_use(run: RunRecord, owner: str, now: datetime) -> None:
    """Raises NotYet while a request of another owner may still reach the BMC."""
    if run.permit_ends_at is None or run.permit_owner == owner:
        return
    arrived_at = run.permit_ends_at + timedelta(seconds=ARRIVAL_S)
    if now < arrived_at:
        wait_s = (arrived_at - now).total_seconds()
        raise NotYet("a request of the worker before may still reach the BMC", retry_in_s=wait_s)
