"""What each event does to a run and its device. Pure: a run and an event in, a change out."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime

from api.runs import machine_identity, permits
from api.runs.admission import cleanup_refusal, power_refusal
from api.runs.records import Change, ImageRead, Job, KnownDevice, RunRecord
from api.runs.states import move
from api.runs.timeouts import deadline_of, reason_of
from api.runs.tls_failure import in_words
from bringup.errors import InvalidTransition, NotYet, PowerRefused
from bringup.expectation import Expectation
from bringup.inventory import Inventory
from bringup.model import DeviceState, FailureReason, JobKind, RunState
from bringup.settings import Settings
from bringup.verdict.judge import judge
from bringup.wire.machine import Heartbeat, Trouble
from bringup.wire.report import Report
from bringup.wire.run import EventType, MachineIdentity, RunEvent, TimelineEntry

_DEVICE_STATE_AFTER = {
    RunState.PASSED: DeviceState.VALIDATED,
    RunState.DEGRADED: DeviceState.FAILED,
    RunState.FAILED: DeviceState.FAILED,
    RunState.TIMED_OUT: DeviceState.FAILED,
    RunState.ABORTED: DeviceState.FAILED,
}
_MOST_BOOT_IDS = 100
_MOST_MEDIA = 32  # of one machine that are recognised: more than the tries of a run, and one or two runs back
_OWNED = {
    EventType.MEDIA_INSERTED,
    EventType.BOOT_OVERRIDE_SET,
    EventType.WRITE_REQUESTED,
    EventType.OVERRIDE_REQUESTED,
    EventType.POWER_REQUESTED,
    EventType.POWERED_OFF,
    EventType.POWER_ON_REQUESTED,
    EventType.POWERED_ON,
}


PERMITS = {
    EventType.WRITE_REQUESTED,
    EventType.OVERRIDE_REQUESTED,
    EventType.POWER_REQUESTED,
    EventType.POWER_ON_REQUESTED,
    EventType.CLEANUP_REQUESTED,
    EventType.POWER_OFF_REQUESTED,
}


@dataclass(frozen=True)
class Moment:
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


def worker_event(moment: Moment, event: RunEvent) -> Change:
    """What a worker tells of a run.

    Raises:
        InvalidTransition: it does not apply now.
        PowerRefused: it asked for a permit to write to the BMC, and must not.
        NotYet: it asked whether the time is up, and it is not; or for a permit while another may be in use.
    """
    if event.type in _OWNED:
        _refuse_unless_owner(moment, event.owner)
    return _WORKER_EVENTS[event.type](moment, event)


def media_minted(moment: Moment, owner: str, secret_sha256: str = "") -> Change:
    """A run token goes out; never again once power-on was permitted, for the machine may bear it already.

    Args:
        secret_sha256: of the secret in the address of the image; the medium is recognised by it.
    """
    _refuse_unless_owner(moment, owner)
    if moment.run.power_on_requested_at is not None:
        raise InvalidTransition("the machine may be booting with the token it was given")
    change = moment.step("media_minted")
    known = change.device.record.media_sha256
    media = (*known, secret_sha256)[-_MOST_MEDIA:] if secret_sha256 else known
    return replace(change, device=change.device.with_record(media_sha256=media))


def heartbeat(moment: Moment, beat: Heartbeat) -> Change:
    """A sign of life: the machine runs. Only a new start is news: a chatty machine must not fill its timeline."""
    known = moment.run.boot_ids
    is_new = beat.boot_id not in known and len(known) < _MOST_BOOT_IDS
    boot_ids = (*known, beat.boot_id) if is_new else known
    marks = {"last_heartbeat_at": moment.now, "boot_ids": boot_ids, "stage": beat.stage}
    detail = f"boot {len(boot_ids)}, up {beat.uptime_s:.0f} s" + (f", {beat.stage}" if beat.stage else "")
    change = moment.step("heartbeat", detail, **marks)
    return change if is_new else replace(change, entry=None)


def report(moment: Moment, message: Report) -> Change:
    """The machine's report: the verdict is made here, from what was found, and the run ends."""
    entry = moment.device.entry
    verdict = judge(message, entry.expectation if entry else Expectation(), entry.host_macs if entry else ())
    reason = FailureReason.CHECK_FAILED if verdict.state is RunState.FAILED else None
    change = moment.end(
        verdict.state.value, reason, verdict.summary, verdict=verdict, report_sha256=report_digest(message)
    )
    return replace(change, report=message.model_dump_json().encode())


def report_digest(message: Report) -> str:
    """The same for the same content, whatever its white space or order of keys."""
    return hashlib.sha256(message.model_dump_json().encode()).hexdigest()


def trouble(moment: Moment, message: Trouble) -> Change:
    """The machine cannot trust us, and so can report nothing: the run ends."""
    return moment.end("trouble", message.reason, in_words(message))


def abort(moment: Moment, why: str) -> Change:
    """The operator ends the run."""
    return moment.end("abort", FailureReason.ABORTED, why)


def _refuse_unless_owner(moment: Moment, owner: str) -> None:
    """A worker that was thought dead, and is not, must not go on beside the one that took over."""
    if owner != moment.run.boot_owner:
        raise InvalidTransition("another worker has taken over this boot")


def _boot_started(moment: Moment, event: RunEvent) -> Change:
    first = moment.run.boot_started_at or moment.now
    return moment.step(event.type.value, event.detail, boot_started_at=first, boot_owner=event.owner)


def _boot_failed(moment: Moment, event: RunEvent) -> Change:
    return moment.end("boot_failed", event.reason or FailureReason.WORKER_LOST, event.detail)


def _deadline(moment: Moment, _event: RunEvent) -> Change:
    deadline = moment.run.deadline_at
    if moment.run.state.ended:
        raise InvalidTransition(f"the run is {moment.run.state}")
    if deadline is None or moment.now < deadline:
        wait_s = (deadline - moment.now).total_seconds() if deadline else moment.settings.retry_max_s
        raise NotYet("the run's time is not up", retry_in_s=wait_s)
    reason, detail = reason_of(moment.run, moment.refused_callbacks, moment.image_read)
    return moment.end("deadline", reason, detail)


def _machine_identified(moment: Moment, event: RunEvent) -> Change:
    """The machine behind the BMC's address was read. When it is another, the run ends and nothing is touched."""
    seen, known = event.identity or MachineIdentity(), moment.run.identity
    if moment.run.state.ended:
        if why := machine_identity.other_than_cleaned_up(moment.device, known, seen, moment.inventory):
            raise PowerRefused(f"another machine answers at {moment.run.bmc} now: {why}")
        return _identified(moment, event.owner, machine_identity.first_contact(known, seen))
    _refuse_unless_owner(moment, event.owner)
    why = machine_identity.other_than(known, seen) if known else None
    why = why or machine_identity.contradiction(moment.device, seen, moment.inventory)
    why = why or machine_identity.known_as_another(moment.device, seen, moment.seen_as)
    if why:
        return moment.end("wrong_machine", FailureReason.WRONG_MACHINE, f"at {moment.run.bmc}: {why}")
    pinned = machine_identity.first_contact(moment.device.record.identity, seen)
    return _identified(
        replace(moment, device=moment.device.with_record(identity=pinned)),
        event.owner,
        machine_identity.first_contact(known, seen),
    )


def _identified(moment: Moment, owner: str, began_with: MachineIdentity) -> Change:
    change = moment.step("machine_identified", "", identity=began_with, identity_owner=owner)
    return replace(change, entry=moment.entry("machine_identified", change.run, machine_identity.shown(began_with)))


def _permitting(
    refusal: Callable[[KnownDevice, RunRecord], str | None], *marks: str
) -> Callable[[Moment, RunEvent], Change]:
    """An event that asks for a permit, with a fresh look at the device; ``marks``: the times that it sets first."""

    def permit(moment: Moment, event: RunEvent) -> Change:
        why = refusal(moment.device, moment.run) or _unidentified(moment.run, event.owner)
        if refusal is power_refusal:
            why = why or _contradicted(moment)
        if why:
            raise PowerRefused(why)
        permits.refuse_while_in_use(moment.run, event.owner, moment.now)
        changes = permits.given(event.owner, moment.now)
        changes |= {mark: getattr(moment.run, mark) or moment.now for mark in marks}
        return replace(moment.step(event.type.value, event.detail, **changes), permits_power=True)

    return permit


def _contradicted(moment: Moment) -> str | None:
    """Why the machine that this run has seen is not the one that the inventory means by now."""
    seen = moment.run.identity
    return machine_identity.contradiction(moment.device, seen, moment.inventory) if seen else None


def _unidentified(run: RunRecord, owner: str) -> str | None:
    """Whoever wants a permit has read himself which machine answers now."""
    is_needed = run.identity is not None or not run.bmc_verify
    if is_needed and run.identity_owner != owner:
        return "this worker has not read which machine answers at the BMC's address"
    return None


def _permit_returned(moment: Moment, event: RunEvent) -> Change:
    if moment.run.permit_owner != event.owner:
        raise InvalidTransition("this permit belongs to another worker")
    return replace(moment.step(event.type.value, "", **permits.NONE_GIVEN), entry=None)


def _finished(moment: Moment, event: RunEvent) -> Change:
    after = move(moment.run, event.type.value, moment.now, {"closed_at": moment.now, **permits.NONE_GIVEN})
    device = moment.device
    if device.record.active_run == moment.run.run_id:
        device = device.with_record(active_run=None)
    return Change(after, device, moment.entry(event.type.value, after, event.detail))


def _marking(mark: str | None) -> Callable[[Moment, RunEvent], Change]:
    """An event that only sets the time of a step, where the step has a place for it."""

    def mark_step(moment: Moment, event: RunEvent) -> Change:
        marks: dict[str, object] = {mark: getattr(moment.run, mark) or moment.now} if mark else {}
        return moment.step(event.type.value, event.detail, **marks)

    return mark_step


_WORKER_EVENTS: dict[EventType, Callable[[Moment, RunEvent], Change]] = {
    EventType.BOOT_STARTED: _boot_started,
    EventType.MEDIA_INSERTED: _marking("media_at"),
    EventType.BOOT_OVERRIDE_SET: _marking(None),
    EventType.MACHINE_IDENTIFIED: _machine_identified,
    EventType.BMC_BUSY: _marking(None),
    EventType.WRITE_REQUESTED: _permitting(power_refusal, "write_permitted_at"),
    EventType.OVERRIDE_REQUESTED: _permitting(power_refusal, "write_permitted_at", "override_requested_at"),
    EventType.POWER_REQUESTED: _permitting(power_refusal, "power_requested_at"),
    EventType.POWER_ON_REQUESTED: _permitting(power_refusal, "power_requested_at", "power_on_requested_at"),
    EventType.PERMIT_RETURNED: _permit_returned,
    EventType.POWERED_OFF: _marking("powered_off_at"),
    EventType.POWERED_ON: _marking("powered_on_at"),
    EventType.BOOT_FAILED: _boot_failed,
    EventType.DEADLINE: _deadline,
    EventType.CLEANUP_REQUESTED: _permitting(cleanup_refusal),
    EventType.POWER_OFF_REQUESTED: _permitting(power_refusal),
    EventType.MEDIA_EJECTED: _marking(None),
    EventType.FINISHED: _finished,
}
