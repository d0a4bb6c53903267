"""What a lease does: it opens a run, or is only written down. Pure."""

from datetime import datetime

from api.runs import pins
from api.runs.admission import decide
from api.runs.records import Change, Job, KnownDevice, RunRecord
from bringup.model import Decision, DeviceState, JobKind, LeaseEvent, RunState
from bringup.wire.run import TimelineEntry


def opened_by(event: LeaseEvent, device: KnownDevice, now: datetime) -> Change | None:
    """The change that a new lease makes; None when the machine has a run, to which the lease then belongs."""
    seen = device.with_record(ip=str(event.ip), seen_mac=event.mac, last_seen_at=now)
    decision, reason = decide(seen)
    if decision is Decision.RUNNING:
        return None
    run = _new_run(event.run_id, seen, decision, reason, now)
    run = run.model_copy(update={"mac": event.mac, "hostname": event.hostname})
    return _recorded(run, seen, f"lease of {event.ip}: {reason}", now)


def started_by_operator(run_id: str, device: KnownDevice, why: str, now: datetime) -> Change:
    """A run without a lease."""
    run = _new_run(run_id, device, Decision.START, why, now)
    return _recorded(run, device, why, now)


def _new_run(run_id: str, device: KnownDevice, decision: Decision, reason: str, now: datetime) -> RunRecord:
    """A run at its beginning; for an audit that is its end too."""
    starts = decision is Decision.START
    entry = device.entry
    return RunRecord(
        run_id=run_id,
        device=device.record.name,
        mac=entry.macs[0] if entry else str(device.record.seen_mac),
        ip=device.record.ip or "",
        decision=decision,
        state=RunState.QUEUED if starts else RunState.AUDITED,
        detail="" if starts else reason,
        created_at=now,
        updated_at=now,
        ended_at=None if starts else now,
        closed_at=None if starts else now,
    ).model_copy(update=pins.on_record(entry))


def _recorded(run: RunRecord, device: KnownDevice, detail: str, now: datetime) -> Change:
    starts = run.decision is Decision.START
    changes: dict[str, object] = {"last_run": run.run_id}
    if starts:
        changes |= {"state": DeviceState.VALIDATING, "active_run": run.run_id}
    entry = TimelineEntry(at=now, type="lease", state=run.state, applied=True, detail=detail)
    return Change(run, device.with_record(**changes), entry, (Job(JobKind.BOOT),) if starts else ())
