"""What a list may be asked for in the query of its address. Without any of these it is the list of version 0.1."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, Field

from bringup.model import RUN_ID, DeviceState, FailureReason, RunState
from bringup.wire.changes import NUMBER_DIGITS
from bringup.wire.message import Message

# In one reply: the runs of 100 leases a day within RUN_KEEP_DAYS.
MOST = 10_000
# A page that a person reads.
DEFAULT_RUNS = 100


def _digits(text: str) -> str:
    if not re.fullmatch(r"[1-9][0-9]{0,4}", text) or int(text) > MOST:
        raise ValueError(f"must be a number from 1 to {MOST}")
    return text


# Text, for int() takes more than digits: blanks, signs, underscores, and the digits of other scripts.
_Limit = Annotated[str, AfterValidator(_digits), Field(json_schema_extra={"pattern": "^([1-9][0-9]{0,3}|10000)$"})]
_Flag = Literal["true", "false"]
_Name = Annotated[str, Field(min_length=1, max_length=64)]


class RunQuery(Message):
    """Which runs to list, newest first.

    Args:
        limit: how many at most.
        after: the last run of the page before.
        open: those that are not closed, all of them.
        waiting: of these, false leaves out those that only wait for a boot slot.
        state, reason, device: only the runs in this state, that ended with this reason, of this device.
        since: only the runs that began at this time or later.
    """

    limit: _Limit = str(DEFAULT_RUNS)
    after: Annotated[str, Field(pattern=RUN_ID)] | None = None
    open: _Flag = "false"
    waiting: _Flag = "true"
    state: RunState | None = None
    reason: FailureReason | None = None
    device: _Name | None = None
    since: AwareDatetime | None = None


class DeviceQuery(Message):
    """Which devices to list, by name.

    Args:
        limit: how many at most; None: all.
        after: names after this one, such as the last of the page before.
        state: only the devices in this state.
        name: only those whose name contains this text.
        maintenance: only those that are, or are not, in maintenance.
        since: only those that were seen at this time or later.
    """

    limit: _Limit | None = None
    after: _Name | None = None
    state: DeviceState | None = None
    name: _Name | None = None
    maintenance: _Flag | None = None
    since: AwareDatetime | None = None


class ChangesQuery(Message):
    """Which changes to read, oldest first.

    Args:
        since: those after this number.
        limit: how many at most; 1,000 are in one reply.
    """

    since: Annotated[str, Field(pattern=rf"^[0-9]{{1,{NUMBER_DIGITS}}}$")] = "0"
    limit: Annotated[str, Field(pattern=rf"^0*[1-9][0-9]{{0,{NUMBER_DIGITS - 1}}}$")] = "500"
