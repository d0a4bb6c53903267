"""A run, its device and what decides over them now; each event is a change of these. Pure."""

from dataclasses import dataclass, field
from datetime import datetime

from api.runs.records import Change, ImageRead, Job, KnownDevice, RunRecord
from api.runs.states import move
from api.runs.timeouts import deadline_of
from bringup.inventory import Inventory
from bringup.model import DeviceState, FailureReason, JobKind, RunState
from bringup.settings import Settings
from bringup.wire.run import TimelineEntry

_DEVICE_STATE_AFTER = {
    RunState.PASSED: DeviceState.VALIDATED,
    RunState.DEGRADED: DeviceState.FAILED,
    RunState.FAILED: DeviceState.FAILED,
    RunState.TIMED_OUT: DeviceState.FAILED,
    RunState.ABORTED: DeviceState.FAILED,
}


@dataclass(frozen=True)
class RunContext:
    """A run and its device as they stand now."""

    run: RunRecord
    device: KnownDevice
    now: datetime
    settings: Settings
    refused_callbacks: int = 0
    image_read: ImageRead | None = None
    inventory: Inventory = field(default_factory=Inventory)
    seen_as: KnownDevice | None = None  # whose the UUID of a machine that was read just now is, by an earlier contact

    def entry(self, trigger: str, after: RunRecord, detail: str = "") -> TimelineEntry:
        """A line of the timeline."""
        return TimelineEntry(at=self.now, type=trigger, state=after.state, applied=True, detail=detail)

    def step(self, trigger: str, detail: str = "", **marks: object) -> Change:
        """A move within a run that goes on."""
        after = self._with_deadline(move(self.run, trigger, self.now, marks))
        jobs: tuple[Job, ...] = ()
        if after.deadline_at and (after.state is not self.run.state or self.run.deadline_at is None):
            jobs = (Job(JobKind.EXPIRE, after.deadline_at),)
        return Change(after, self.device, self.entry(trigger, after, detail), jobs)

    def end(self, trigger: str, reason: FailureReason | None, detail: str, **marks: object) -> Change:
        """A move that ends the run: the verdict stands, the device follows it, the clean-up is due."""
        after = move(self.run, trigger, self.now, marks, reason=reason, detail=detail)
        device = self.device
        if device.record.state is DeviceState.VALIDATING and device.record.active_run == self.run.run_id:
            device = device.with_record(state=_DEVICE_STATE_AFTER[after.state])
        return Change(after, device, self.entry(trigger, after, detail), (Job(JobKind.FINISH),))

    def _with_deadline(self, run: RunRecord) -> RunRecord:
        return run.model_copy(update={"deadline_at": None if run.state.ended else deadline_of(run, self.settings)})
