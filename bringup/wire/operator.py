"""What an operator asks for, and what the API shows of devices and queues."""

from typing import Literal

from pydantic import AwareDatetime, Field

from bringup.model import AnyDeviceState, DeviceState, DeviceText, Mac
from bringup.wire.message import Message
from bringup.wire.run import MachineIdentity, Run


class AbortRequest(Message):
    """Ends a run."""

    reason: DeviceText = "aborted by the operator"


class StartRequest(Message):
    """Starts a run of a device without waiting for a lease."""

    reason: DeviceText = "started by the operator"


class RepeatRequest(Message):
    """Starts another run of the device of a run that did not pass."""

    reason: DeviceText = "repeated by the operator"


class DeviceChange(Message):
    """What an operator may change of a device; what is left out stays.

    Args:
        maintenance: "" ends it.
        expected_state: the change is refused when the device is in another state by now; None: it may be in any.
        forget_identity: what the BMC showed at the first contact is forgotten; the next contact is the first again.
    """

    state: Literal[DeviceState.APPROVED, DeviceState.ACTIVE, DeviceState.DISCOVERED] | None = None
    maintenance: DeviceText | None = None
    forget_identity: bool = False
    expected_state: DeviceState | None = None


class DeviceView(Message):
    """A device as it is now."""

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
    # Where the inventory says that its BMC is, and how that proves itself.
    bmc: str | None = None
    bmc_ca: str | None = None
    bmc_fingerprint: str | None = None
    bmc_verify: bool = True
    boot_group: str | None = None  # its rack or power circuit
    product: DeviceText | None = None  # its model, as its last report names it


class DeviceEvent(Message):
    """One change of a device by a person."""

    at: AwareDatetime
    by: str
    address: str
    what: str
    before: str
    after: str


class DeviceDetail(DeviceView):
    """A device with its history: changes by people, oldest first, and its newest runs, newest first."""

    changes: tuple[DeviceEvent, ...] = ()
    runs: tuple[Run, ...] = ()


class DeviceList(Message):
    """By name."""

    devices: tuple[DeviceView, ...]


class Explanation(Message):
    """Whether a machine would be powered now. ``obstacles``: everything in the way, the first is the reason."""

    device: str
    would_start: bool  # a lease or an operator would start a run
    would_power: bool  # and that run would get as far as the power switch
    obstacles: tuple[str, ...]
    steps: tuple[str, ...]  # what a run would do, in its order


class JobRequest(Message):
    """Names a job in quarantine; its id may be any text that a client of Redis has written to a queue."""

    job_id: str = Field(min_length=1, max_length=1024)


class OperatorView(Message):
    """A person or a console that may use the API. ``added``: another time means another token."""

    name: str
    role: str
    added: AwareDatetime


class OperatorList(Message):
    """By name."""

    operators: tuple[OperatorView, ...]


class QueueView(Message):
    """How many jobs of a queue are in each state.

    Args:
        workers: threads that may serve it, and others; None: the API is of a version that does not count them.
        oldest_s: seconds for which the first job in the queue waits; None: there is none.
    """

    name: str
    queued: int
    started: int
    scheduled: int
    failed: int
    quarantined: int = 0
    workers: int | None = None
    oldest_s: float | None = None


class QuarantinedJob(Message):
    """A job that no worker can read or may run, and why."""

    job_id: str
    queue: str
    reason: str
    at: AwareDatetime


class TailerView(Message):
    """A tailer, which fills the queue of leases, as it has reported last.

    Args:
        silent_s: seconds since it reported; it does so every ten.
        problem: why its file cannot be read; empty if it can.
        behind_s: seconds for which there has been something to read without a break.
    """

    host: str
    source: str
    path: str
    version: str
    silent_s: float
    problem: str = ""
    behind_s: float = 0.0


class QueueList(Message):
    """Every queue of bringup, the jobs in quarantine, oldest first, and the tailers of the last seven days."""

    queues: tuple[QueueView, ...]
    quarantine: tuple[QuarantinedJob, ...] = ()
    tailers: tuple[TailerView, ...] | None = None  # None: the API is of a version that does not know them
