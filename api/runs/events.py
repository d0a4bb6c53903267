"""What each event of a worker or an operator does to a run and its device. Pure: an event in, a change out."""

from collections.abc import Callable
from dataclasses import replace

from api.runs import machine_identity, permits
from api.runs.admission import cleanup_refusal, power_refusal
from api.runs.records import Change
from api.runs.run_context import RunContext
from api.runs.states import move
from api.runs.timeouts import reason_of
from bringup.errors import InvalidTransition, NotYet, PowerRefused
from bringup.model import FailureReason
from bringup.wire.run import EventType, MachineIdentity, RunEvent

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


def worker_event(context: RunContext, event: RunEvent) -> Change:
    """What a worker tells of a run.

    Raises:
        InvalidTransition: it does not apply now.
        PowerRefused: it asked for a permit to write to the BMC, and must not.
        NotYet: it asked whether the time is up, and it is not; or for a permit while another may be in use.
    """
    if event.type in _OWNED:
        _refuse_unless_owner(context, event.owner)
    return _WORKER_EVENTS[event.type](context, event)


def media_minted(context: RunContext, owner: str, secret_sha256: str = "") -> Change:
    """A run token goes out; never again once power-on was permitted, for the machine may bear it already.

    Args:
        secret_sha256: of the secret in the address of the image; the medium is recognised by it.
    """
    _refuse_unless_owner(context, owner)
    if context.run.power_on_requested_at is not None:
        raise InvalidTransition("the machine may be booting with the token it was given")
    change = context.step("media_minted")
    known = change.device.record.media_sha256
    media = (*known, secret_sha256)[-_MOST_MEDIA:] if secret_sha256 else known
    return replace(change, device=change.device.with_record(media_sha256=media))


def abort(context: RunContext, why: str) -> Change:
    """The operator ends the run."""
    return context.end("abort", FailureReason.ABORTED, why)


def _refuse_unless_owner(context: RunContext, owner: str) -> None:
    """A worker that was thought dead, and is not, must not go on beside the one that took over."""
    if owner != context.run.boot_owner:
        raise InvalidTransition("another worker has taken over this boot")


def _boot_started(context: RunContext, event: RunEvent) -> Change:
    first = context.run.boot_started_at or context.now
    return context.step(event.type.value, event.detail, boot_started_at=first, boot_owner=event.owner)


def _boot_failed(context: RunContext, event: RunEvent) -> Change:
    return context.end("boot_failed", event.reason or FailureReason.WORKER_LOST, event.detail)


def _deadline(context: RunContext, _event: RunEvent) -> Change:
    deadline = context.run.deadline_at
    if context.run.state.ended:
        raise InvalidTransition(f"the run is {context.run.state}")
    if deadline is None or context.now < deadline:
        wait_s = (deadline - context.now).total_seconds() if deadline else context.settings.retry_max_s
        raise NotYet("the run's time is not up", retry_in_s=wait_s)
    reason, detail = reason_of(context.run, context.refused_callbacks, context.image_read)
    return context.end("deadline", reason, detail)


def _machine_identified(context: RunContext, event: RunEvent) -> Change:
    """The machine behind the BMC's address was read. When it is another, the run ends and nothing is touched."""
    seen, known = event.identity or MachineIdentity(), context.run.identity
    if context.run.state.ended:
        if why := machine_identity.other_than_cleaned_up(context.device, known, seen, context.inventory):
            raise PowerRefused(f"another machine answers at {context.run.bmc} now: {why}")
        return _identified(context, event.owner, machine_identity.first_contact(known, seen))
    _refuse_unless_owner(context, event.owner)
    why = machine_identity.other_than(known, seen) if known else None
    why = why or machine_identity.contradiction(context.device, seen, context.inventory)
    why = why or machine_identity.known_as_another(context.device, seen, context.seen_as)
    if why:
        return context.end("wrong_machine", FailureReason.WRONG_MACHINE, f"at {context.run.bmc}: {why}")
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
    after = move(context.run, event.type.value, context.now, {"closed_at": context.now, **permits.NONE_GIVEN})
    device = context.device
    if device.record.active_run == context.run.run_id:
        device = device.with_record(active_run=None)
    return Change(after, device, context.entry(event.type.value, after, event.detail))


def _marking(mark: str | None) -> Callable[[RunContext, RunEvent], Change]:
    """An event that only sets the time of a step, where the step has a place for it."""

    def mark_step(context: RunContext, event: RunEvent) -> Change:
        marks: dict[str, object] = {mark: getattr(context.run, mark) or context.now} if mark else {}
        return context.step(event.type.value, event.detail, **marks)

    return mark_step


_WORKER_EVENTS: dict[EventType, Callable[[RunContext, RunEvent], Change]] = {
    EventType.BOOT_STARTED: _boot_started,
    EventType.MEDIA_INSERTED: _marking("media_at"),
    EventType.BOOT_OVERRIDE_SET: _marking(None),
    EventType.MACHINE_IDENTIFIED: _machine_identified,
    EventType.BMC_BUSY: _marking(None),
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
