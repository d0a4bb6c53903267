"""What an operator asks for."""

from typing import Literal

from pydantic import Field

from bringup.model import DeviceState, DeviceText
from bringup.wire.base import Message


class AbortRequest(Message):
    """Ends a run."""

    reason: DeviceText = "aborted by the operator"


class StartRequest(Message):
    """Starts a run of a device without waiting for a lease."""

    reason: DeviceText = "started by the operator"


class DeviceChange(Message):
    """What an operator may change of a device; what is left out stays.

    Args:
        maintenance: "" ends it.
        forget_identity: what the BMC showed at the first contact is forgotten; the next contact is the first again.
    """

    state: Literal[DeviceState.APPROVED, DeviceState.ACTIVE, DeviceState.DISCOVERED] | None = None
    maintenance: DeviceText | None = None
    forget_identity: bool = False


class JobRequest(Message):
    """Names a job in quarantine; its id may be anything that somebody has written to a queue."""

    job_id: str = Field(min_length=1, max_length=1024)
