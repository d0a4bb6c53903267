"""The one table of moves between run states, how a run makes one, and the jobs that each state requires. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

from api.runs.records import Change, ImageRead, Job, KnownDevice, RunRecord
from api.runs.timeouts import deadline_of
from bringup import errors, model
from bringup.inventory import Inventory
from bringup.settings import Settings
from bringup.wire.run import Run, TimelineEntry

# Short names for the table below, which is read as a table.
_Q, _B, _W, _R = model.RunState.QUEUED, model.RunState.BOOTING, model.RunState.WAITING, model.RunState.RUNNING
# All but AUDITED, which never had a machine: nothing is left to clean up.
_STARTED_AND_ENDED = (
    model.RunState.PASSED,
    model.RunState.DEGRADED,
    model.RunState.FAILED,
    model.RunState.TIMED_OUT,
    model.RunState.ABORTED,
)


def _all_to(to: model.RunState, *froms: model.RunState) -> Mapping[model.RunState, model.RunState]:
    return dict.fromkeys(froms, to)


# Steps within a boot; steps of the clean-up after the end.
_STAY_BOOTING = {_B: _B}
_STAY_ENDED = {state: state for state in _STARTED_AND_ENDED}

# A trigger that is not in here, or not from this state, is recorded on the timeline and never applied.
MOVES: Mapping[str, Mapping[model.RunState, model.RunState]] = {
    "boot_slot_awaited": {_Q: _Q},
    "boot_slot_given": {_Q: _Q},
    "boot_started": _all_to(_B, _Q, _B),
    "machine_identified": _STAY_BOOTING | {state: state for state in _STARTED_AND_ENDED},
    "wrong_machine": _all_to(model.RunState.FAILED, _B),
    "media_minted": _STAY_BOOTING,
    "bmc_busy": _STAY_BOOTING | _STAY_ENDED,
    "retry_scheduled": _STAY_BOOTING | _STAY_ENDED,
    "media_inserted": _STAY_BOOTING,
    "boot_override_set": _STAY_BOOTING,
    "write_requested": _STAY_BOOTING,
    "power_requested": _STAY_BOOTING,
    "override_requested": _STAY_BOOTING,
    "power_on_requested": _STAY_BOOTING,
    "powered_off": _STAY_BOOTING,
    # The machine may call back before the worker has reported that it switched it on.
    "powered_on": {_B: _W, _W: _W, _R: _R},
    "boot_failed": _all_to(model.RunState.FAILED, _Q, _B),
    "heartbeat": _all_to(_R, _B, _W, _R),
    "passed": _all_to(model.RunState.PASSED, _B, _W, _R),
    "degraded": _all_to(model.RunState.DEGRADED, _B, _W, _R),
    "failed": _all_to(model.RunState.FAILED, _B, _W, _R),
    "tls_failure": _all_to(model.RunState.FAILED, _B, _W, _R),
    "deadline": _all_to(model.RunState.TIMED_OUT, _Q, _B, _W, _R),
    # The one way out of a state that only a newer version knows, after a rollback.
    "abort": _all_to(model.RunState.ABORTED, _Q, _B, _W, _R, model.RunState.UNKNOWN),
    "lease_seen": {state: state for state in model.RunState},
    "permit_returned": {state: state for state in model.RunState},
    # After the end only the clean-up goes on.
    "cleanup_requested": _STAY_ENDED,
    "power_off_requested": _STAY_ENDED,
    "media_ejected": _STAY_ENDED,
    "finished": _STAY_ENDED,
}


# The jobs that must exist in a state. Without them the run would never end: the workers' reaper restores lost ones.
_REQUIRED_JOBS = {
    model.RunState.QUEUED: (model.JobKind.BOOT,),
    model.RunState.BOOTING: (model.JobKind.BOOT, model.JobKind.EXPIRE),
    model.RunState.WAITING: (model.JobKind.EXPIRE,),
    model.RunState.RUNNING: (model.JobKind.EXPIRE,),
    model.RunState.UNKNOWN: (),  # only the version that wrote it knows
}
# Of MAX_CONCURRENT_BOOTS.
_HOLDS_BOOT_SLOT = {model.RunState.BOOTING, model.RunState.WAITING}
# A run that was aborted or timed out has validated nothing: its machine needs a person, as one that failed.
_DEVICE_STATE_AFTER = {
    model.RunState.PASSED: model.DeviceState.VALIDATED,
    model.RunState.DEGRADED: model.DeviceState.FAILED,
    model.RunState.FAILED: model.DeviceState.FAILED,
    model.RunState.TIMED_OUT: model.DeviceState.FAILED,
    model.RunState.ABORTED: model.DeviceState.FAILED,
}


@dataclass(frozen=True)
class RunContext:
    """A run, its device, and what else decides what an event does to them.

    Args:
        refused_callbacks: how many calls for the run had a wrong token or certificate.
        image_read: what was read of the run's image; None: it is not ours, or the event does not need it.
        seen_as: the device as which a machine with the UUID that was read just now was seen first.
        no_boot_slot: why the run has to wait with its boot; None: it need not.
    """

    run: RunRecord
    device: KnownDevice
    now: datetime
    settings: Settings
    refused_callbacks: int = 0
    image_read: ImageRead | None = None
    inventory: Inventory = field(default_factory=Inventory)
    seen_as: KnownDevice | None = None
    no_boot_slot: str | None = None

    def entry(self, trigger: str, after: RunRecord, detail: str = "") -> TimelineEntry:
        """A line of the timeline.

        Args:
            trigger: what happened, a key of `MOVES`.
            after: the run afterwards.
            detail: for people.
        """
        return TimelineEntry(at=self.now, type=trigger, state=after.state, applied=True, detail=detail)

    def step(self, trigger: str, detail: str = "", **marks: object) -> Change:
        """A move within a run that goes on; ``marks``: further fields of the run that it sets.

        Raises:
            InvalidTransition: the table has no such move.
        """
        after = self._with_deadline(move(self.run, trigger, self.now, marks))
        jobs: tuple[Job, ...] = ()
        # One job for each new deadline of a state, not for each heartbeat: the job asks again when it is too early.
        if after.deadline_at and (after.state is not self.run.state or self.run.deadline_at is None):
            jobs = (Job(model.JobKind.EXPIRE, after.deadline_at),)
        return Change(after, self.device, self.entry(trigger, after, detail), jobs)

    def end(self, trigger: str, reason: model.FailureReason | None, detail: str, **marks: object) -> Change:
        """A move that ends the run: its device gets the state that follows, and the clean-up is due.

        Args:
            reason: of a run that failed.
            marks: further fields of the run that it sets.

        Raises:
            InvalidTransition: the table has no such move.
        """
        after = move(self.run, trigger, self.now, marks, reason=reason, detail=detail)
        device = self.device
        # Not when an operator has changed the state meanwhile, for example to active.
        if device.record.state is model.DeviceState.VALIDATING and device.record.active_run == self.run.run_id:
            device = device.with_record(state=_DEVICE_STATE_AFTER[after.state])
        return Change(after, device, self.entry(trigger, after, detail), (Job(model.JobKind.FINISH),))

    def _with_deadline(self, run: RunRecord) -> RunRecord:
        return run.model_copy(update={"deadline_at": None if run.state.ended else deadline_of(run, self.settings)})


def closes(run: RunRecord, before: RunRecord | None) -> bool:
    """Whether a change closes a run.

    Args:
        run: as it will be.
        before: as it is on record; None: it is not.
    """
    return run.closed_at is not None and (before is None or before.closed_at is None)


def move(
    run: RunRecord,
    trigger: str,
    now: datetime,
    marks: Mapping[str, object] = MappingProxyType({}),
    *,
    reason: model.FailureReason | None = None,
    detail: str = "",
) -> RunRecord:
    """The run after ``trigger``.

    Args:
        marks: further fields that it sets.
        reason, detail: of the end of the run, where the move ends it.

    Raises:
        InvalidTransition: the table has no such move from the state of the run.
    """
    to = MOVES[trigger].get(run.state)
    if to is None or run.closed_at is not None:
        raise errors.InvalidTransition(f"{trigger} does not apply to a run that is {_state_of(run)}")
    changes: dict[str, object] = {"state": to, "updated_at": now} | dict(marks)
    if to.ended and not run.state.ended:
        changes |= {"ended_at": now, "reason": reason, "detail": detail, "deadline_at": None}
        changes |= {"retry_at": None}
    return run.model_copy(update=changes)


def holds_boot_slot(run: RunRecord) -> bool:
    """Whether the run counts for MAX_CONCURRENT_BOOTS: its machine draws power and reads an image, and is not up."""
    return run.state in _HOLDS_BOOT_SLOT or (run.state is model.RunState.QUEUED and run.boot_slot == "held")


def waits_for_boot_slot(run: RunRecord) -> bool:
    """Whether the run has asked for a boot slot and has none."""
    return run.state is model.RunState.QUEUED and run.boot_slot == "waits"


def boot_slot_given(waited: RunRecord, freed_by: RunRecord) -> tuple[RunRecord, TimelineEntry]:
    """A run that waits gets the boot slot that another gives back: the run then, and the line on its timeline."""
    run = move(waited, "boot_slot_given", freed_by.updated_at, {"boot_slot": "held"})
    detail = f"the run {freed_by.run_id} has given its boot slot back"
    return run, TimelineEntry(at=run.updated_at, type="boot_slot_given", state=run.state, applied=True, detail=detail)


def with_required_jobs(run: RunRecord, *, is_slot_free: bool = False) -> Run:
    """The run as it is shown, with the jobs that must exist for it in this state.

    Args:
        run: as it is stored.
        is_slot_free: a run that waits for a boot slot must ask again, for nobody may be left who hands one on.
    """
    waits = waits_for_boot_slot(run) and not is_slot_free
    jobs = () if run.closed_at or waits else required_jobs(run.state)
    return run.view().model_copy(update={"required_jobs": jobs, "owes": jobs})


def required_jobs(state: model.RunState) -> tuple[model.JobKind, ...]:
    """The jobs that must exist for a run that is not closed and does not wait for a boot slot."""
    return _REQUIRED_JOBS.get(state, (model.JobKind.FINISH,))


def _state_of(run: RunRecord) -> str:
    return f"{run.state} and closed" if run.closed_at else str(run.state)
