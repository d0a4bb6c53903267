"""What a worker posts about a run, and what it is answered."""

import operator
from enum import StrEnum
from typing import Literal

from pydantic import Field, NonNegativeFloat

from bringup import model
from bringup.wire.message import Message
from bringup.wire.run import MachineIdentity, RunDetail

# A permit is used within this many seconds from the moment it was asked for, or not at all: it rests on one look at
# the device. Long enough for one request over an open connection, and less than the time after which
# a silent worker's job is given to another (`workers.in_flight`).
PERMIT_S = 5.0
# What was sent and not acknowledged is given up by the worker's kernel after this time, also when the worker has been
# killed: a request reaches the BMC at most this long after its permit has ended. Together with PERMIT_S about the
# time after which a killed worker's job is given to another, which then need not wait. Source: RFC 5482; tcp(7).
ARRIVAL_S = 5.0
# Of any wait that a worker or a BMC may name: a day. More would be no time that a person waits for.
LONGEST_RETRY_S = 86400.0


class EventType(StrEnum):
    """What a worker may post about a run."""

    BOOT_STARTED = "boot_started"
    MEDIA_INSERTED = "media_inserted"
    BOOT_OVERRIDE_SET = "boot_override_set"
    MACHINE_IDENTIFIED = "machine_identified"  # which machine answers at the BMC's address; before any permit
    WRITE_REQUESTED = "write_requested"  # asks for a permit to take out an old medium of ours, or insert the new one
    OVERRIDE_REQUESTED = "override_requested"  # asks for a permit to set the boot override; covers the medium before it
    POWER_REQUESTED = "power_requested"  # asks for a permit to switch off before the boot
    POWER_ON_REQUESTED = "power_on_requested"  # asks for a permit to switch on
    BMC_BUSY = "bmc_busy"  # what the BMC has to wait for; the job waits with it
    RETRY_SCHEDULED = "retry_scheduled"  # the BMC did not do it, for the reason in the detail; the job comes again
    POWERED_OFF = "powered_off"
    POWERED_ON = "powered_on"
    BOOT_FAILED = "boot_failed"
    DEADLINE = "deadline"  # asks whether the run's time is up
    CLEANUP_REQUESTED = "cleanup_requested"  # asks for a permit to undo what this run did at the BMC
    POWER_OFF_REQUESTED = "power_off_requested"  # asks for a permit to switch off after the run
    PERMIT_RETURNED = "permit_returned"  # nothing of the job that asked for it is under way any more
    MEDIA_EJECTED = "media_ejected"
    FINISHED = "finished"


class RunStep(Message):
    """A step that was taken before the event with which it is posted.

    Only what asks for nothing, neither a permit nor a boot slot, needs no reply of its own.
    """

    type: Literal[
        EventType.MACHINE_IDENTIFIED,
        EventType.MEDIA_INSERTED,
        EventType.POWERED_OFF,
        EventType.BOOT_OVERRIDE_SET,
        EventType.POWERED_ON,
        EventType.MEDIA_EJECTED,
    ]
    detail: model.DeviceText = ""
    identity: MachineIdentity | None = None  # for `machine_identified`


class RunEvent(Message):
    """One step of a run, posted by the worker that took it.

    Args:
        retry_in_s: for `retry_scheduled`: seconds until the job runs again.
        before: the steps since the event before this one, oldest first. They apply together with it, or not at all;
            when one of them ends the run, nothing after it applies.
        wants_run, wants_media: whether the reply has the run; with a permit that allows to insert it, what its machine
            must boot.
    """

    type: EventType
    owner: str = Field(default="", max_length=64)  # one execution of the boot job; the latest owns the boot
    reason: model.FailureReason | None = None
    detail: model.DeviceText = ""
    identity: MachineIdentity | None = None  # for `machine_identified`
    retry_in_s: float | None = Field(default=None, ge=0, le=LONGEST_RETRY_S)
    before: tuple[RunStep, ...] = Field(default=(), max_length=16)
    wants_run: bool = False
    wants_media: bool = False


class MediaRequest(Message):
    """Asks for what the machine is to boot."""

    owner: str = Field(max_length=64)


class RunMedia(Message):
    """What the machine must boot: where its image is, and nothing that speaks for it."""

    run_id: model.RunId
    callback_url: str
    # Always empty: workers of version 0.1 read no reply without it.
    run_token: str = Field("", repr=False)
    epoch: int  # seconds; the machine's clock is never set to before this
    image_url: str | None = Field(None, repr=False)  # where its BMC fetches the image


class RunEventReply(Message):
    """What an event led to.

    Args:
        reason: of a run that did not pass; an API of a version before does not name it.
        run, media: where they were wanted: the run as it is afterwards, and what its machine must boot.
        next_s: too early; seconds until the same event may be posted again.
        permit_s: for an event that asks for a permit: how many seconds it holds, from the moment it was asked for.
        covers: what may be written while the permit holds, besides the one write that it was asked for, as the events
            that would ask for it. An API of a version before names nothing: then each write needs a permit of its own.
    """

    state: model.AnyRunState
    reason: model.AnyFailureReason | None = Field(None, exclude_if=operator.not_)
    next_s: NonNegativeFloat | None = None
    permit_s: NonNegativeFloat | None = None
    covers: tuple[str, ...] = Field((), exclude_if=operator.not_)
    run: RunDetail | None = None
    media: RunMedia | None = Field(None, repr=False)
