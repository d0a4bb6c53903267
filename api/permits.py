"""When a permit may still be in use: whoever takes a machine over waits until nothing can arrive any more. Pure.

A worker that is killed leaves a request behind that may be on its way: the kernel sends it for a while, and a slow
BMC does it later. A worker that lives gives its permit back when everything it sent was answered, or waited for
as long as an answer may take.
"""

from datetime import datetime, timedelta

from api.records import RunRecord
from bringup.errors import NotYet
from bringup.settings import Settings
from bringup.wire import PERMIT_S

# Unacknowledged data is given up by the kernel after this time: `workers.redfish.gate`.
_ON_ITS_WAY_S = 5.0


def given(owner: str, now: datetime) -> dict[str, object]:
    """What a run records of a permit that is given now."""
    return {"permit_owner": owner, "permit_ends_at": now + timedelta(seconds=PERMIT_S)}


NONE_GIVEN: dict[str, object] = {"permit_owner": "", "permit_ends_at": None}


def refuse_while_in_use(run: RunRecord, owner: str, now: datetime, settings: Settings) -> None:
    """Raises NotYet while a request of another owner may still reach the BMC or be done by it."""
    wait_s = in_use_for_s(run, owner, now, settings)
    if wait_s is not None:
        raise NotYet("a request of the worker before may still reach the BMC", retry_in_s=wait_s)


def in_use_for_s(run: RunRecord, owner: str, now: datetime, settings: Settings) -> float | None:
    """Seconds for which a permit of another owner may still have an effect; None: none has."""
    if run.permit_ends_at is None or run.permit_owner == owner:
        return None
    # A BMC that has not answered by its read timeout is taken to have dropped the request.
    ends_at = run.permit_ends_at + timedelta(seconds=_ON_ITS_WAY_S + settings.bmc_read_timeout_s)
    return (ends_at - now).total_seconds() if now < ends_at else None
