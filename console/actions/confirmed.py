"""Doing what a person has confirmed: what has changed since the preview is left alone, and named."""

from collections.abc import Sequence

from bringup import actions, errors
from bringup.wire.actions import ActionPreview, OperatorAction, TargetPreview
from console.actions.plan import REASON_BELOW, Plan


def apply(client: actions.ActsOnApi, plan: Plan) -> None:
    """Do what ``plan`` shows, target by target, and keep what became of each. ``client``: with the person's token."""
    wanted = [one for one in plan.preview.targets if one.would]
    try:
        for outcome in actions.apply(client, _unchanged(client, plan, wanted), plan.reason):
            plan.outcomes.append(outcome)
    except errors.BringupError as error:
        plan.outcomes += _missed(wanted, f"not tried: {error}")
    finally:
        # After an error of our own, too: else the page would wait for ever.
        left = wanted[len(plan.outcomes) :]
        plan.outcomes += _missed(left, "it is not known whether it was done: the console has failed; see its log")
        plan.finished.set()


def _missed(targets: Sequence[TargetPreview], why: str) -> list[actions.ActionOutcome]:
    return [actions.ActionOutcome(one.target, done=False, detail=why) for one in targets]


def _unchanged(client: actions.ActsOnApi, plan: Plan, wanted: Sequence[TargetPreview]) -> ActionPreview:
    """What was previewed, without what is not so any more."""
    now = actions.preview(client, plan.action, [one.target for one in wanted], REASON_BELOW)
    current = {one.target: one for one in now.targets}
    compared = tuple(_compared(plan.action, seen, current.get(seen.target)) for seen in wanted)
    return ActionPreview(action=plan.action, targets=compared)


def _compared(action: OperatorAction, seen: TargetPreview, now: TargetPreview | None) -> TargetPreview:
    """``seen``, if it is so still; else why it must not be done."""
    if now is None or not now.would:
        why = now.reason if now else "the API does not know it any more"
        return TargetPreview(target=seen.target, would=False, reason=f"since the preview: {why}")
    # An open run goes on between two looks; that it ends is what the person has read.
    if action is OperatorAction.ABORT or now == seen:
        return seen
    was, then = (", ".join((f"it is {one.state}", *one.warnings)) for one in (seen, now))
    why = f"it has changed since the preview, where you read: {was}; now {then}; look at it again"
    return TargetPreview(target=seen.target, would=False, reason=why)
