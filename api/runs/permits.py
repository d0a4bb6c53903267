"""Permits to write to a BMC: who gets one, and how long the one before may still be in use. Pure.

A killed worker may have sent a request that is still on its way: the worker that takes over waits until nothing can
arrive any more. A live worker returns its permit when everything that it sent was answered, or has timed out.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from api.runs import admission, machine_identity, records, states
from bringup.errors import InvalidTransition, NotYet, PowerRefused
from bringup.wire.run_events import ARRIVAL_S, PERMIT_S, EventType, RunEvent

# Each of these asks for a permit, right before the write that it is for.
PERMITS = {
    EventType.WRITE_REQUESTED,
    EventType.OVERRIDE_REQUESTED,
    EventType.POWER_REQUESTED,
    EventType.POWER_ON_REQUESTED,
    EventType.CLEANUP_REQUESTED,
    EventType.POWER_OFF_REQUESTED,
}
# What may be written while a permit holds, besides the one write that it was asked for: the API would permit all of it
# at the same look at the device. No permit covers a switch of the machine: that is asked for directly before. None for
# the medium covers the override: the clean-up leaves the override of a run alone that has never asked for one.
COVERS = {
    EventType.OVERRIDE_REQUESTED: (EventType.WRITE_REQUESTED, EventType.OVERRIDE_REQUESTED),
    EventType.POWER_OFF_REQUESTED: (EventType.CLEANUP_REQUESTED,),
}
# A person has to accept a loss first: each worker that waits for a permit asks again after so many seconds.
_LOST_AGAIN_S = 30.0
# Written at the return of a permit and at the end of a run: nothing is under way then.
NONE_GIVEN: dict[str, object] = {"permit_owner": "", "permit_ends_at": None}


def permitting(
    refusal: Callable[[records.KnownDevice, records.RunRecord], str | None], *marks: str
) -> Callable[[states.RunContext, RunEvent], records.Change]:
    """What an event does that asks for a permit, by the device as it is now.

    Args:
        refusal: why there must be none; None: it may be given.
        marks: fields of the run that hold the time of the first such permit.

    Returns:
        The effect. It raises PowerRefused, and NotYet while another permit may be in use.
    """

    def permit(context: states.RunContext, event: RunEvent) -> records.Change:
        why = refusal(context.device, context.run) or _unidentified(context.run, event.owner)
        # What the run saw when it began is compared again: the inventory may have been corrected meanwhile.
        if refusal is admission.power_refusal:
            why = why or _contradicted(context)
        if why:
            raise PowerRefused(why)
        _refuse_while_in_use(context.run, event.owner, context.now)
        changes = _given(event.owner, context.now)
        changes |= {mark: getattr(context.run, mark) or context.now for mark in marks}
        return replace(context.step(event.type.value, event.detail, **changes), permits_power=True)

    return permit


def returned(context: states.RunContext, event: RunEvent) -> records.Change:
    """A permit is given back before its time is over.

    Raises:
        InvalidTransition: it is another worker's.
    """
    if context.run.permit_owner != event.owner:
        raise InvalidTransition("this permit belongs to another worker")
    return replace(context.step(event.type.value, "", **NONE_GIVEN), entry=None)


def refuse_after_a_loss(outcome: records.Change | records.Noted | records.RunRecord | None, lost: str | None) -> None:
    """No permit at all, not even to clean up: what is on record of the machine may be old.

    Args:
        outcome: what is about to be written.
        lost: what Redis has lost, and no person has accepted; None: nothing.

    Raises:
        NotYet: the outcome permits a write to a BMC, and Redis has lost changes.
    """
    if isinstance(outcome, records.Change) and outcome.permits_power and lost:
        raise NotYet(lost, retry_in_s=_LOST_AGAIN_S)


def _contradicted(context: states.RunContext) -> str | None:
    """Why the machine that this run has seen is not the one of the inventory as it is now."""
    seen = context.run.identity
    return machine_identity.contradiction(context.device, seen, context.inventory) if seen else None


def _unidentified(run: records.RunRecord, owner: str) -> str | None:
    """A permit is given only to a worker that has read itself which machine answers at the BMC's address now."""
    is_needed = run.identity is not None or not run.bmc_verify
    if is_needed and run.identity_owner != owner:
        return "this worker has not read which machine answers at the BMC's address"
    return None


def _given(owner: str, now: datetime) -> dict[str, object]:
    """The fields of a run that hold a permit given now."""
    return {"permit_owner": owner, "permit_ends_at": now + timedelta(seconds=PERMIT_S)}


def _refuse_while_in_use(run: records.RunRecord, owner: str, now: datetime) -> None:
    """Without this a request of a killed worker could arrive in the middle of the next one's.

    Raises:
        NotYet: a request of another owner may still reach the BMC.
    """
    # A worker need not wait for itself: it sends one request after the other.
    if run.permit_ends_at is None or run.permit_owner == owner:
        return
    arrived_at = run.permit_ends_at + timedelta(seconds=ARRIVAL_S)
    if now < arrived_at:
        wait_s = (arrived_at - now).total_seconds()
        raise NotYet("a request of the worker before may still reach the BMC", retry_in_s=wait_s)
