"""What each event of a worker or an operator does to a run and its device. Pure."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from api.runs import machine_identity, permits
from api.runs.admission import cleanup_refusal, power_refusal
from api.runs.records import Change, NewSecrets
from api.runs.states import RunContext, holds_boot_slot, move, waits_for_boot_slot
from api.runs.timeouts import reason_of
from bringup import errors, model
from bringup.wire.run import MachineIdentity
from bringup.wire.run_events import EventType, RunEvent, RunStep

# Our media of one machine that are recognised in its BMC: more than the tries of a run, and those of one or two before.
_MOST_MEDIA = 32
# A worker posts these about what it does to the BMC itself: without a check of the fencing token, one that was thought
# dead would go on beside the one that took over.
_FENCED = {
    EventType.MEDIA_INSERTED,
    EventType.BOOT_OVERRIDE_SET,
    EventType.WRITE_REQUESTED,
    EventType.OVERRIDE_REQUESTED,
    EventType.POWER_REQUESTED,
    EventType.POWERED_OFF,
    EventType.POWER_ON_REQUESTED,
    EventType.POWERED_ON,
}


def worker_event(context: RunContext, event: RunEvent, media: NewSecrets | None = None) -> Change:
    """What an event of a worker does to the run, with the steps that were taken before it.

    Args:
        context, event: the run, and what the worker posted.
        media: of the medium that the permit is for, where the worker has asked for one.

    Raises:
        InvalidTransition: it does not apply now.
        PowerRefused: it asked for a permit to write to the BMC, and must not.
        NotYet: it asked whether the time is up, and it is not; or for a permit while another may be in use.
    """
    done: list[Change] = []
    for step in (*(_of_worker(step, event.owner) for step in event.before), event):
        change = _one_event(context, step)
        done.append(change)
        # The machine was another, perhaps: what the worker asks for then, it must not get.
        if change.run.state.ended and not context.run.state.ended:
            break
        context = replace(context, run=change.run, device=change.device)
    if media and done[-1].permits_power:
        done.append(media_minted(context, event.owner, media))
    lines, has_permit = tuple(line for one in done[:-1] for line in one.lines), any(one.permits_power for one in done)
    return replace(
        done[-1], earlier=lines, jobs=tuple(job for one in done for job in one.jobs), permits_power=has_permit
    )


def _of_worker(step: RunStep, owner: str) -> RunEvent:
    return RunEvent(type=step.type, owner=owner, detail=step.detail, identity=step.identity)


def _one_event(context: RunContext, event: RunEvent) -> Change:
    if event.type in _FENCED:
        _refuse_unless_current(context, event.owner)
    return _WORKER_EVENTS[event.type](context, event)


def media_minted(context: RunContext, owner: str, secrets: NewSecrets) -> Change:
    """A run token is given out; never again once power-on was permitted, for the machine may have it already.

    Args:
        owner: the fencing token of the worker that asks.
        secrets: the token, and the secret in the address of the image, by which the medium is recognised.

    Raises:
        InvalidTransition: the power-on was permitted, or another worker has taken over.
    """
    _refuse_unless_current(context, owner)
    if context.run.power_on_requested_at is not None:
        raise errors.InvalidTransition("the machine may be booting already, with the token before this one")
    digests = {"token_sha256": secrets.token_sha256}
    if secrets.image:
        digests["image_sha256"] = secrets.image.locator
    change = context.step("media_minted", **digests)
    # Kept with the device, not the run: a later run must recognise, and eject, the medium of an earlier one.
    known = change.device.record.media_sha256
    media = (*known, secrets.image.locator)[-_MOST_MEDIA:] if secrets.image else known
    return replace(change, device=change.device.with_record(media_sha256=media), secrets=secrets)


def abort(context: RunContext, why: str) -> Change:
    """The operator ends the run."""
    return context.end("abort", model.FailureReason.ABORTED, why)


def _refuse_unless_current(context: RunContext, owner: str) -> None:
    """A worker that was thought dead, and is not, must not go on beside the one that took over."""
    if owner != context.run.fencing_token:
        raise errors.InvalidTransition("another worker has taken over this boot")


def _boot_started(context: RunContext, event: RunEvent) -> Change:
    if context.no_boot_slot:
        return _boot_slot_awaited(context, context.no_boot_slot)
    # The time of the whole run counts from the first worker, or a boot that is taken over again and again never ends.
    first = context.run.boot_started_at or context.now
    group = context.run.boot_group if holds_boot_slot(context.run) else context.device.boot_group
    marks = {"boot_started_at": first, "fencing_token": event.owner, "boot_slot": "held", "boot_group": group}
    marks["retry_at"] = None
    return context.step(event.type.value, event.detail, **marks)


def _boot_slot_awaited(context: RunContext, why: str) -> Change:
    """The run waits. Only the first time is on the timeline: a worker of an older version asks again and again."""
    waited = waits_for_boot_slot(context.run)
    change = context.step("boot_slot_awaited", why, boot_slot="waits", boot_group=context.device.boot_group)
    return replace(change, entry=None) if waited else change


def _retry_scheduled(context: RunContext, event: RunEvent) -> Change:
    """What failed is on the timeline with its reason, and with the time of the next try by the clock of Redis."""
    if not context.run.state.ended:
        _refuse_unless_current(context, event.owner)
    next_at = context.now + timedelta(seconds=event.retry_in_s or 0)
    change = context.step(event.type.value, event.detail, retry_at=next_at)
    entry = context.entry(event.type.value, change.run, event.detail)
    return replace(change, entry=entry.model_copy(update={"next_at": next_at}))


def _boot_failed(context: RunContext, event: RunEvent) -> Change:
    return context.end("boot_failed", event.reason or model.FailureReason.WORKER_LOST, event.detail)


def _deadline(context: RunContext, _event: RunEvent) -> Change:
    deadline = context.run.deadline_at
    if context.run.state.ended:
        raise errors.DeadlineAfterEnd(f"the run is {context.run.state}")
    if deadline is None or context.now < deadline:
        wait_s = (deadline - context.now).total_seconds() if deadline else context.settings.retry_max_s
        raise errors.NotYet("the run's time is not up", retry_in_s=wait_s)
    # A worker only asks, and the clock of Redis decides: a worker whose clock is wrong ends no run.
    reason, detail = reason_of(context.run, context.refused_callbacks, context.image_read)
    return context.end("deadline", reason, detail)


def _machine_identified(context: RunContext, event: RunEvent) -> Change:
    """The machine at the BMC's address was read. When it is another, the run ends and nothing is written to it."""
    seen, known = event.identity or MachineIdentity(), context.run.identity
    if context.run.state.ended:
        # After the end only the clean-up reads the machine, and it must not touch another one.
        if why := machine_identity.other_than_cleaned_up(context.device, known, seen, context.inventory):
            raise errors.PowerRefused(f"another machine answers at {context.run.bmc} now: {why}")
        return _identified(context, event.owner, machine_identity.first_contact(known, seen))
    _refuse_unless_current(context, event.owner)
    why = machine_identity.other_than(known, seen) if known else None
    why = why or machine_identity.contradiction(context.device, seen, context.inventory)
    why = why or machine_identity.known_as_another(context.device, seen, context.seen_as)
    if why:
        return context.end("wrong_machine", model.FailureReason.WRONG_MACHINE, f"at {context.run.bmc}: {why}")
    pinned = machine_identity.first_contact(context.device.record.identity, seen)
    return _identified(
        replace(context, device=context.device.with_record(identity=pinned)),
        event.owner,
        machine_identity.first_contact(known, seen),
    )


def _identified(context: RunContext, owner: str, began_with: MachineIdentity) -> Change:
    change = context.step("machine_identified", "", identity=began_with, identity_owner=owner)
    return replace(change, entry=context.entry("machine_identified", change.run, machine_identity.shown(began_with)))


def _finished(context: RunContext, event: RunEvent) -> Change:
    after = move(
        context.run, event.type.value, context.now, {"closed_at": context.now, "retry_at": None, **permits.NONE_GIVEN}
    )
    device = context.device
    # Another run may own the machine by now, and must keep it.
    if device.record.active_run == context.run.run_id:
        device = device.with_record(active_run=None)
    return Change(after, device, context.entry(event.type.value, after, event.detail))


def _marking(mark: str | None) -> Callable[[RunContext, RunEvent], Change]:
    """An event that only sets the time of a step, where the step has a place for it."""

    def mark_step(context: RunContext, event: RunEvent) -> Change:
        marks: dict[str, object] = {mark: getattr(context.run, mark) or context.now} if mark else {}
        return context.step(event.type.value, event.detail, **marks)

    return mark_step


# What a worker may post, and nothing else: an event without an entry here does not exist.
# A permit for power checks the whole device again; one to clean up, only that no other run owns it.
_WORKER_EVENTS: dict[EventType, Callable[[RunContext, RunEvent], Change]] = {
    EventType.BOOT_STARTED: _boot_started,
    EventType.MEDIA_INSERTED: _marking("media_at"),
    EventType.BOOT_OVERRIDE_SET: _marking(None),
    EventType.MACHINE_IDENTIFIED: _machine_identified,
    EventType.BMC_BUSY: _marking(None),
    EventType.RETRY_SCHEDULED: _retry_scheduled,
    EventType.WRITE_REQUESTED: permits.permitting(power_refusal, "write_permitted_at"),
    EventType.OVERRIDE_REQUESTED: permits.permitting(power_refusal, "write_permitted_at", "override_requested_at"),
    EventType.POWER_REQUESTED: permits.permitting(power_refusal, "power_requested_at"),
    EventType.POWER_ON_REQUESTED: permits.permitting(power_refusal, "power_requested_at", "power_on_requested_at"),
    EventType.PERMIT_RETURNED: permits.returned,
    EventType.POWERED_OFF: _marking("powered_off_at"),
    EventType.POWERED_ON: _marking("powered_on_at"),
    EventType.BOOT_FAILED: _boot_failed,
    EventType.DEADLINE: _deadline,
    EventType.CLEANUP_REQUESTED: permits.permitting(cleanup_refusal),
    EventType.POWER_OFF_REQUESTED: permits.permitting(power_refusal),
    EventType.MEDIA_EJECTED: _marking(None),
    EventType.FINISHED: _finished,
}
