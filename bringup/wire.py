"""The messages of the callback API: what a worker, a machine, an operator and the API say to each other.

Unknown fields are refused everywhere: a misspelt field that is silently dropped would be a false green.
"""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, NonNegativeFloat, NonNegativeInt

from bringup.model import (
    Decision,
    DeviceState,
    DeviceText,
    FailureReason,
    JobKind,
    Mac,
    RunId,
    RunState,
)


class Message(BaseModel):
    """Base of all messages: immutable, no unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


# --- what the machine says -------------------------------------------------------------------------------


class Cpu(Message):
    """Keys as Ironic's inspection has them."""

    count: NonNegativeInt  # logical
    model_name: DeviceText = ""
    architecture: DeviceText = ""
    frequency: DeviceText = ""
    flags: tuple[DeviceText, ...] = Field(default=(), max_length=1024)


class MemoryModule(Message):
    """One DIMM."""

    slot: DeviceText = ""
    size_mb: NonNegativeInt
    serial: DeviceText = ""


class Memory(Message):
    """``total`` in bytes as the kernel sees it; ``physical_mb`` in MiB as the firmware reports it."""

    total: NonNegativeInt
    physical_mb: NonNegativeInt
    modules: tuple[MemoryModule, ...] = Field(default=(), max_length=256)


class Disk(Message):
    """``size`` in bytes."""

    name: DeviceText
    size: NonNegativeInt
    model: DeviceText = ""
    serial: DeviceText = ""
    wwn: DeviceText = ""
    rotational: bool | None = None


class Interface(Message):
    """One network port of the host."""

    name: DeviceText
    mac_address: Mac
    has_carrier: bool
    speed_mbps: NonNegativeInt | None = None
    ipv4_address: DeviceText | None = None
    product: DeviceText = ""
    lldp: tuple[tuple[int, DeviceText], ...] = Field(default=(), max_length=256)


class SystemVendor(Message):
    """From the firmware's SMBIOS tables."""

    manufacturer: DeviceText = ""
    product_name: DeviceText = ""
    serial_number: DeviceText = ""


class Boot(Message):
    """How the machine came up."""

    current_boot_mode: Literal["bios", "uefi"]
    secure_boot: bool | None = None


class HardwareInventory(Message):
    """What the machine is made of."""

    cpu: Cpu
    memory: Memory
    disks: tuple[Disk, ...] = Field(max_length=4096)
    interfaces: tuple[Interface, ...] = Field(max_length=1024)
    system_vendor: SystemVendor
    boot: Boot
    hostname: DeviceText = ""
    bmc_address: DeviceText | None = None
    pci_devices: tuple[DeviceText, ...] = Field(default=(), max_length=4096)


class CheckStatus(StrEnum):
    """What one check on the machine said; ``skip`` is never a pass."""

    PASS = "pass"  # noqa: S105 - a verdict, not a password
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"


class AgentCheck(Message):
    """One quick, non-destructive check that the agent ran."""

    name: DeviceText = Field(min_length=1)
    status: CheckStatus
    detail: DeviceText = ""


class Report(Message):
    """What the validation ISO found. It carries no verdict: that is for `bringup.verdict` to say."""

    schema_version: Literal[1]
    boot_id: DeviceText = Field(min_length=1)
    agent: DeviceText
    simulated: bool = False
    rtc_offset_s: float | None = None  # the machine's clock minus the image's epoch, where it was behind
    inventory: HardwareInventory
    checks: tuple[AgentCheck, ...] = Field(max_length=1024)


class Heartbeat(Message):
    """A sign of life of a booted machine."""

    boot_id: DeviceText = Field(min_length=1)
    uptime_s: NonNegativeFloat
    stage: DeviceText = ""


class HeartbeatReply(Message):
    """When to call again, and whether to go on at all."""

    next_s: NonNegativeFloat
    command: Literal["continue", "abort"]


class ReportReply(Message):
    """The report is on record."""

    run_id: RunId
    state: RunState
    replay: bool


# --- what the worker says --------------------------------------------------------------------------------


class EventType(StrEnum):
    """What a worker may tell of a run."""

    BOOT_STARTED = "boot_started"
    MEDIA_INSERTED = "media_inserted"
    BOOT_OVERRIDE_SET = "boot_override_set"
    POWER_REQUESTED = "power_requested"  # asks for leave; nothing has been switched yet
    POWERED_OFF = "powered_off"
    POWERED_ON = "powered_on"
    BOOT_FAILED = "boot_failed"
    DEADLINE = "deadline"  # asks whether the run's time is up
    POWER_OFF_REQUESTED = "power_off_requested"  # asks for leave to switch off after the run
    MEDIA_EJECTED = "media_ejected"
    FINISHED = "finished"


class RunEvent(Message):
    """One step of a run, told by the worker that took it."""

    type: EventType
    owner: str = Field(default="", max_length=64)  # one execution of the boot job; the latest owns the boot
    reason: FailureReason | None = None
    detail: DeviceText = ""


class RunEventReply(Message):
    """``next_s``: for ``deadline`` when it has not come yet, seconds until it does."""

    state: RunState
    next_s: NonNegativeFloat | None = None


class RunDecision(Message):
    """The answer to a lease. ``run_id`` is the active run when the decision is ``running``."""

    run_id: RunId
    decision: Decision
    state: RunState
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


# --- what the operator says ------------------------------------------------------------------------------


class AbortRequest(Message):
    """Ends a run."""

    reason: DeviceText = "aborted by the operator"


class StartRequest(Message):
    """Starts a run of a device without waiting for a lease."""

    reason: DeviceText = "started by the operator"


class DeviceChange(Message):
    """What an operator may change of a device; what is left out stays. ``maintenance`` "" ends it."""

    state: Literal[DeviceState.APPROVED, DeviceState.ACTIVE, DeviceState.DISCOVERED] | None = None
    maintenance: DeviceText | None = None


# --- what the API shows ----------------------------------------------------------------------------------


class CheckResult(Message):
    """One line of a verdict: what was expected, what was found."""

    name: str
    status: CheckStatus
    expected: str = ""
    observed: str = ""


class Verdict(Message):
    """What the API concluded from a report."""

    state: Literal[RunState.PASSED, RunState.DEGRADED, RunState.FAILED]
    checks: tuple[CheckResult, ...]

    @property
    def summary(self) -> str:
        """The checks that did not pass, in one line."""
        return "; ".join(
            f"{c.name}: expected {c.expected}, found {c.observed}" if c.expected else f"{c.name}: {c.observed}"
            for c in self.checks
            if c.status is not CheckStatus.PASS
        )


class TimelineEntry(Message):
    """One thing that happened in a run. ``applied`` is false for what came too late or out of turn."""

    at: AwareDatetime
    type: str
    state: RunState
    applied: bool
    detail: str = ""


class Run(Message):
    """A run as it stands."""

    run_id: RunId
    device: str
    mac: Mac
    ip: str
    hostname: str | None = None
    decision: Decision
    state: RunState
    reason: FailureReason | None = None
    detail: str = ""
    bmc: str | None = None
    boot_method: str = "cd"
    credential: str | None = None
    created_at: AwareDatetime
    updated_at: AwareDatetime
    deadline_at: AwareDatetime | None = None
    ended_at: AwareDatetime | None = None
    closed_at: AwareDatetime | None = None  # the BMC is cleaned up; the device may run again
    boot_owner: str = ""
    boot_started_at: AwareDatetime | None = None
    media_at: AwareDatetime | None = None
    power_requested_at: AwareDatetime | None = None
    powered_off_at: AwareDatetime | None = None
    powered_on_at: AwareDatetime | None = None
    last_heartbeat_at: AwareDatetime | None = None
    boot_ids: tuple[str, ...] = ()
    report_sha256: str | None = None
    verdict: Verdict | None = None
    owes: tuple[JobKind, ...] = ()  # jobs that must exist while the run stands like this


class RunDetail(Run):
    """A run with its timeline, oldest first."""

    timeline: tuple[TimelineEntry, ...]


class DeviceView(Message):
    """A device as it stands."""

    name: str
    state: DeviceState
    maintenance: str | None = None
    macs: tuple[Mac, ...] = ()
    ip: str | None = None
    in_inventory: bool
    active_run: str | None = None
    last_run: str | None = None
    last_seen_at: AwareDatetime | None = None


class RunList(Message):
    """Newest first."""

    runs: tuple[Run, ...]


class DeviceList(Message):
    """By name."""

    devices: tuple[DeviceView, ...]


class QueueView(Message):
    """How many jobs of each kind of standing a queue holds."""

    name: str
    queued: int
    started: int
    scheduled: int
    failed: int


class QueueList(Message):
    """Every queue of bringup."""

    queues: tuple[QueueView, ...]


class Health(Message):
    """Says which service answers, so that a foreign server on the port is recognised."""

    service: Literal["bringup-api"]
    version: str


class Readiness(Message):
    """Whether the API can do its work now, and if not, why."""

    ready: bool
    problems: tuple[str, ...] = ()


class Problem(Message):
    """An error, as application/problem+json. Source: RFC 9457 s.3."""

    type: Annotated[str, Field(pattern=r"^urn:bringup:[a-z_]+$")]
    title: str
    status: int
    detail: str
    problems: tuple[str, ...] = ()
