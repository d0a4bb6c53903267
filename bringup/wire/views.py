"""What the API shows of what it knows."""

from typing import Annotated, Literal

from pydantic import AwareDatetime, BeforeValidator, ConfigDict, Field

from bringup.model import (
    AnyDecision,
    AnyDeviceState,
    AnyFailureReason,
    AnyRunState,
    Fingerprint,
    JobKind,
    Mac,
    RunId,
    or_else,
)
from bringup.wire.base import Message
from bringup.wire.identity import MachineIdentity
from bringup.wire.machine import CheckStatus

# A run carries its summary in every list of runs. A report may hold 1,024 checks of 1,024 characters.
_LONGEST_SUMMARY = 4000


class CheckResult(Message):
    """One line of a verdict: what was expected, what was found."""

    name: str
    status: Annotated[CheckStatus, or_else(CheckStatus.SKIP)]  # what we do not know is no pass
    expected: str = ""
    observed: str = ""


class Verdict(Message):
    """What the API concluded from a report."""

    state: AnyRunState  # passed, degraded or failed
    checks: tuple[CheckResult, ...]

    @property
    def summary(self) -> str:
        """The checks that did not pass, in one line, as many as a line may hold."""
        differences = [
            f"{c.name}: expected {c.expected}, found {c.observed}" if c.expected else f"{c.name}: {c.observed}"
            for c in self.checks
            if c.status is not CheckStatus.PASS
        ]
        whole = "; ".join(differences)
        if len(whole) <= _LONGEST_SUMMARY:
            return whole
        return f"{whole[:_LONGEST_SUMMARY]}... and more, of {len(differences)} differences"


class TimelineEntry(Message):
    """One thing that happened in a run. ``applied`` is false for what came too late or out of turn."""

    at: AwareDatetime
    type: str
    state: AnyRunState
    applied: bool
    detail: str = ""


def _known_jobs(value: object) -> object:
    """A job that only a newer version knows is for its workers to do."""
    known = frozenset(JobKind)
    return tuple(kind for kind in value if kind in known) if isinstance(value, list | tuple) else value


class Run(Message):
    """A run as the API shows it; how it is stored is `api.runs.records`."""

    model_config = ConfigDict(from_attributes=True)

    run_id: RunId
    device: str
    mac: Mac
    ip: str
    hostname: str | None = None
    decision: AnyDecision
    state: AnyRunState
    reason: AnyFailureReason | None = None
    detail: str = ""
    bmc: str | None = None
    boot_method: str = "cd"
    credential: str | None = None  # the name of one; the worker reads its file
    bmc_ca: str | None = None
    bmc_fingerprint: Fingerprint | None = None
    bmc_verify: bool = True
    serial: str | None = None  # of the machine, on record; tells it from others behind the same BMC
    uuid: str | None = None
    boot_timeout_s: int | None = None  # of this machine; None: BOOT_TIMEOUT_S
    created_at: AwareDatetime
    updated_at: AwareDatetime
    deadline_at: AwareDatetime | None = None
    ended_at: AwareDatetime | None = None
    closed_at: AwareDatetime | None = None  # the BMC is cleaned up; the device may run again
    boot_owner: str = ""
    boot_started_at: AwareDatetime | None = None
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
    stage: str = ""  # what the machine said last that it does
    report_sha256: str | None = None
    verdict: Verdict | None = None
    # Jobs that must exist while the run stands like this.
    owes: Annotated[tuple[JobKind, ...], BeforeValidator(_known_jobs)] = ()


class Artifact(Message):
    """A log that the machine of a run has left. ``size`` in bytes."""

    name: str
    size: int


class RunDetail(Run):
    """A run with its timeline, oldest first, and what its machine has left."""

    timeline: tuple[TimelineEntry, ...]
    artifacts: tuple[Artifact, ...] = ()
    media_sha256: tuple[str, ...] = ()  # of the secrets of the images that were minted for this machine


class DeviceView(Message):
    """A device as it stands."""

    name: str
    state: AnyDeviceState
    maintenance: str | None = None
    macs: tuple[Mac, ...] = ()
    ip: str | None = None
    in_inventory: bool
    active_run: str | None = None
    last_run: str | None = None
    last_seen_at: AwareDatetime | None = None
    identity: MachineIdentity | None = None  # as its BMC showed it at the first contact


class RunList(Message):
    """Newest first."""

    runs: tuple[Run, ...]


class Explanation(Message):
    """Whether a machine would be powered now. ``obstacles``: everything in the way, the first is the reason."""

    device: str
    would_start: bool  # a lease or an operator would start a run
    would_power: bool  # and that run would get as far as the power switch
    obstacles: tuple[str, ...]
    steps: tuple[str, ...]  # what a run would do, in its order


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
    quarantined: int = 0


class QuarantinedJob(Message):
    """A job that no worker can read or may run, and why."""

    job_id: str
    queue: str
    reason: str
    at: AwareDatetime


class QueueList(Message):
    """Every queue of bringup, and the jobs in quarantine, oldest first."""

    queues: tuple[QueueView, ...]
    quarantine: tuple[QuarantinedJob, ...] = ()


class Health(Message):
    """Says which service answers, so that a foreign server on the port is recognised."""

    service: Literal["bringup-api"]
    version: str


class Readiness(Message):
    """Whether the API can do its work now, and if not, why."""

    ready: bool
    problems: tuple[str, ...] = ()
    # One of the problems: why no machine is touched, after Redis has lost changes.
    withheld: str | None = Field(None, exclude_if=lambda why: why is None)


class Problem(Message):
    """An error, as application/problem+json. Source: RFC 9457 s.3."""

    type: Annotated[str, Field(pattern=r"^urn:bringup:[a-z_]+$")]
    title: str
    status: int
    detail: str
    problems: tuple[str, ...] = ()
