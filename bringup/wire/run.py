"""A run: how the API shows it, and what is kept of it."""

from typing import Annotated

from pydantic import AliasChoices, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

from bringup import model
from bringup.wire.machine import Artifact
from bringup.wire.message import Message
from bringup.wire.report import Verdict


class MachineIdentity(Message):
    """What a BMC reports of its system; None or empty: it reports nothing.

    Args:
        serial, sku, asset_tag, uuid, system_path: Redfish schema ComputerSystem, as read.
        macs: of the host's network ports, as read.
    """

    serial: model.DeviceText | None = None
    sku: model.DeviceText | None = None
    asset_tag: model.DeviceText | None = None
    uuid: model.DeviceText | None = None
    macs: tuple[model.DeviceText, ...] = Field(default=(), max_length=128)
    system_path: model.DeviceText | None = None


class TimelineEntry(Message):
    """One thing that happened in a run.

    Args:
        applied: false for what came too late or out of turn.
        by, address: who did it and from where; None: no person.
        before: the state of the run before a person changed it.
        next_at: when what has failed is tried again.
    """

    at: AwareDatetime
    type: str
    state: model.AnyRunState
    applied: bool
    detail: str = ""
    by: str | None = None
    address: str | None = None
    before: model.AnyRunState | None = None
    next_at: AwareDatetime | None = Field(None, exclude_if=lambda at: at is None)


def _known_jobs(value: object) -> object:
    """A job that only a newer version knows is for its workers to do."""
    known = frozenset(model.JobKind)
    return tuple(kind for kind in value if kind in known) if isinstance(value, list | tuple) else value


_Jobs = Annotated[tuple[model.JobKind, ...], BeforeValidator(_known_jobs)]


class RunFields(BaseModel):
    """What is known of a run, as it is shown and as it is stored: `api.runs.records` adds what stays in the API."""

    model_config = ConfigDict(defer_build=True)

    run_id: model.RunId
    device: str
    mac: model.Mac
    ip: str
    hostname: str | None = None
    decision: model.AnyDecision
    state: model.AnyRunState
    reason: model.AnyFailureReason | None = None
    detail: str = ""
    bmc: str | None = None
    boot_method: str = "cd"
    credential: str | None = None  # the name of one; the worker reads its file
    bmc_ca: str | None = None
    bmc_fingerprint: model.Fingerprint | None = None
    bmc_verify: bool = True
    serial: str | None = None  # of the machine, on record; distinguishes it from others behind the same BMC
    uuid: str | None = None
    boot_timeout_s: int | None = None  # of this machine; None: BOOT_TIMEOUT_S
    created_at: AwareDatetime
    updated_at: AwareDatetime
    deadline_at: AwareDatetime | None = None
    ended_at: AwareDatetime | None = None
    closed_at: AwareDatetime | None = None  # the BMC is cleaned up; the device may run again
    fencing_token: str = ""  # names the execution of the boot job that may go on, and no earlier one
    boot_slot: str = ""  # while it is queued: "waits" for one of MAX_CONCURRENT_BOOTS, or "held"
    boot_group: str | None = None  # as the inventory had it when the run asked for a slot
    boot_started_at: AwareDatetime | None = None
    retry_at: AwareDatetime | None = None  # what its BMC did not do is tried again then; None: nothing failed since
    media_at: AwareDatetime | None = None
    identity: MachineIdentity | None = None  # of the machine that this run began with
    write_permitted_at: AwareDatetime | None = None  # the first permit to write to the BMC
    power_requested_at: AwareDatetime | None = None
    override_requested_at: AwareDatetime | None = None
    power_on_requested_at: AwareDatetime | None = None  # from here on the machine may be running the image
    powered_off_at: AwareDatetime | None = None
    powered_on_at: AwareDatetime | None = None
    last_heartbeat_at: AwareDatetime | None = None
    boot_ids: tuple[str, ...] = ()
    stage: str = ""  # what the machine reported last that it does
    report_sha256: str | None = None
    verdict: Verdict | None = None


class Run(Message, RunFields):
    """A run as the API shows it."""

    model_config = ConfigDict(from_attributes=True)

    # Jobs that must exist while the run is in this state. ``owes`` is the same for workers of version 0.1, whose reaper
    # would restore no lost job without it; an API of that version sends nothing else.
    required_jobs: _Jobs = Field((), validation_alias=AliasChoices("required_jobs", "owes"))
    owes: _Jobs = ()


class RunDetail(Run):
    """A run with its timeline, oldest first, and what its machine has left."""

    timeline: tuple[TimelineEntry, ...]
    artifacts: tuple[Artifact, ...] = ()
    media_sha256: tuple[str, ...] = ()  # of the secrets of the images that were made for this machine


class RunList(Message):
    """Newest first."""

    runs: tuple[Run, ...]


class RunDecision(Message):
    """The answer to a lease. ``run_id`` is the active run when the decision is ``running``."""

    run_id: model.RunId
    decision: model.AnyDecision
    state: model.AnyRunState
    reason: str
