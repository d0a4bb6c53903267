"""What people do to several devices, runs or jobs at once, and what each of them would lead to."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from bringup.model import DeviceState, DeviceText
from bringup.wire.message import Message
from bringup.wire.operator import DeviceChange

# Of one preview. A list of so many is answered in a tenth of a second; who has more asks in several calls.
MOST_TARGETS = 1000
# A job's id may be any text that a client of Redis has written to a queue.
_Target = Annotated[str, Field(min_length=1, max_length=1024)]


class OperatorAction(StrEnum):
    """What an operator may do; the names are those of the audit log, behind ``device.``, ``run.`` and ``job.``."""

    START = "start"  # a run of a device, without waiting for a lease
    APPROVE = "approve"  # a device: its next lease starts a run
    IN_SERVICE = "in-service"  # a device: it is never powered by bringup
    WITHHOLD = "withhold"  # a device: its approval is taken back
    MAINTENANCE = "maintenance"  # a device
    END_MAINTENANCE = "end-maintenance"  # a device
    ABORT = "abort"  # a run
    REPEAT = "repeat"  # a run that did not pass: its device is approved and another one started, in one step
    REQUEUE = "requeue"  # a job in quarantine
    DISCARD = "discard"  # a job in quarantine


_STATES = {
    OperatorAction.APPROVE: DeviceState.APPROVED,
    OperatorAction.IN_SERVICE: DeviceState.ACTIVE,
    OperatorAction.WITHHOLD: DeviceState.DISCOVERED,
}


def device_change(
    action: OperatorAction, reason: str = "", *, expected_state: DeviceState | None = None
) -> DeviceChange | None:
    """The change of a device that an action is; None: it is no change of a device.

    Args:
        action: what is done.
        reason: of maintenance.
        expected_state: the change is refused when the device is in another state by then.
    """
    wanted: dict[str, object] = {"expected_state": expected_state} if expected_state else {}
    if action in _STATES:
        return DeviceChange.model_validate({**wanted, "state": _STATES[action]})
    if action in {OperatorAction.MAINTENANCE, OperatorAction.END_MAINTENANCE}:
        maintenance = reason if action is OperatorAction.MAINTENANCE else ""
        return DeviceChange.model_validate({**wanted, "maintenance": maintenance})
    return None


class ActionRequest(Message):
    """Asks what an action would lead to.

    Args:
        targets: names of devices, or ids of runs or jobs, as the action is for.
        reason: of maintenance.
    """

    action: OperatorAction
    targets: Annotated[tuple[_Target, ...], Field(min_length=1, max_length=MOST_TARGETS)]
    reason: DeviceText = ""


class TargetPreview(Message):
    """What an action would lead to for one target, if it were done now.

    Args:
        would: whether it would be done.
        reason: why not.
        warnings: what would go wrong afterwards, or what else it means.
        state, becomes: of the device, run or job: before it and after it.
    """

    target: str
    would: bool
    reason: str = ""
    warnings: tuple[str, ...] = ()
    state: str = ""
    becomes: str = ""


class ActionPreview(Message):
    """In the order of the request, each target once."""

    action: str
    targets: tuple[TargetPreview, ...]
