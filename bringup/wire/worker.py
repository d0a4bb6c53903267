"""What a worker says, and what it is answered."""

from enum import StrEnum

from pydantic import Field, NonNegativeFloat

from bringup.model import AnyDecision, AnyRunState, DeviceText, FailureReason, RunId
from bringup.wire.base import Message
from bringup.wire.identity import MachineIdentity

# A permit is used within this many seconds from the moment it was asked for, or not at all: it rests on one look at
# the device. Long enough for one request over a connection that stands already, and less than the time after which
# a silent worker's job is given to another (`workers.liveness`).
PERMIT_S = 5.0
# What was sent and not acknowledged is given up by the worker's kernel after this time, also when the worker has been
# killed: a request reaches the BMC at most this long after its permit has ended. Together with PERMIT_S about the
# time after which a killed worker's job is given to another, which then need not wait. Source: RFC 5482; tcp(7).
ARRIVAL_S = 5.0


class EventType(StrEnum):
    """What a worker may tell of a run."""

    BOOT_STARTED = "boot_started"
    MEDIA_INSERTED = "media_inserted"
    BOOT_OVERRIDE_SET = "boot_override_set"
    MACHINE_IDENTIFIED = "machine_identified"  # which machine answers at the BMC's address; before any permit
    WRITE_REQUESTED = "write_requested"  # asks for a permit to take out an old medium of ours, or insert the new one
    OVERRIDE_REQUESTED = "override_requested"  # asks for a permit to set the boot override
    POWER_REQUESTED = "power_requested"  # asks for a permit to switch off before the boot
    POWER_ON_REQUESTED = "power_on_requested"  # asks for a permit to switch on
    BMC_BUSY = "bmc_busy"  # what the BMC has to wait for; the job waits with it
    POWERED_OFF = "powered_off"
    POWERED_ON = "powered_on"
    BOOT_FAILED = "boot_failed"
    DEADLINE = "deadline"  # asks whether the run's time is up
    CLEANUP_REQUESTED = "cleanup_requested"  # asks for a permit to undo what this run did at the BMC
    POWER_OFF_REQUESTED = "power_off_requested"  # asks for a permit to switch off after the run
    PERMIT_RETURNED = "permit_returned"  # nothing of the job that asked for it is under way any more
    MEDIA_EJECTED = "media_ejected"
    FINISHED = "finished"


class RunEvent(Message):
    """One step of a run, told by the worker that took it."""

    type: EventType
    owner: str = Field(default="", max_length=64)  # one execution of the boot job; the latest owns the boot
    reason: FailureReason | None = None
    detail: DeviceText = ""
    identity: MachineIdentity | None = None  # for `machine_identified`


class RunEventReply(Message):
    """What an event led to.

    Args:
        next_s: too early; seconds until the same event may be posted again.
        permit_s: for an event that asks for a permit: how many seconds it holds, from the moment it was asked for.
    """

    state: AnyRunState
    next_s: NonNegativeFloat | None = None
    permit_s: NonNegativeFloat | None = None


class RunDecision(Message):
    """The answer to a lease. ``run_id`` is the active run when the decision is ``running``."""

    run_id: RunId
    decision: AnyDecision
    state: AnyRunState
    reason: str


class MediaRequest(Message):
    """Asks for what the machine is to boot."""

    owner: str = Field(max_length=64)


class RunMedia(Message):
    """What the machine must boot. ``run_token`` is shown here once; the API keeps only its hash."""

    run_id: RunId
    callback_url: str
    run_token: str = Field(repr=False)
    epoch: int  # seconds; the machine's clock is never set to before this
    image_url: str | None = Field(None, repr=False)  # where a real BMC fetches the image, and anyone else
