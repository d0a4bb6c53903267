"""An action from its preview to its result: what a person has read is what is done, once, or else it is named."""

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Event, Lock

from bringup import actions, errors
from bringup.wire.actions import ActionPreview, OperatorAction, TargetPreview
from console.actions.offers import Targets, command

# Plans of one session and of all: a preview of 1,000 machines takes some 500 kB.
_MOST_OF_SESSION = 10
_MOST = 100
# Seconds that a preview may be confirmed, and its result read. What has changed since is refused in any case.
KEEP_S = 3600.0
_ID_BYTES = 16
# What the API is given in the preview in place of the reason that the person will write below it.
REASON_BELOW = "the reason that you give"


@dataclass
class Plan:
    """One action of one person.

    Args:
        owner: what only the session knows that made it.
        preview: of the targets that the API was asked about.
        back: the page that it was asked for from.
        ends_at: monotonic clock, s.
    """

    owner: str = field(repr=False)
    preview: ActionPreview
    targets: Targets
    back: str
    ends_at: float
    key: str = field(default_factory=lambda: secrets.token_urlsafe(_ID_BYTES))
    reason: str = ""
    outcomes: list[actions.ActionOutcome] = field(default_factory=list)
    finished: Event = field(default_factory=Event)
    is_begun: bool = False
    # Without it a form that is sent twice at once would be done twice.
    _lock: Lock = field(default_factory=Lock, repr=False)

    def begin(self, reason: str) -> bool:
        """Whether it is to be done now: True once, False ever after."""
        with self._lock:
            is_first, self.is_begun = not self.is_begun, True
            if is_first:
                self.reason = reason
            return is_first

    @property
    def action(self) -> OperatorAction:
        """What is done."""
        return OperatorAction(self.preview.action)

    @property
    def shown(self) -> ActionPreview:
        """The preview as people read it: runs by their machines, and with the machines that have none."""
        named = (one.model_copy(update={"target": self.targets.name_of(one.target)}) for one in self.preview.targets)
        return ActionPreview(action=self.preview.action, targets=(*named, *self.targets.refused))

    @property
    def would(self) -> int:
        """To how many it would be done."""
        return sum(one.would for one in self.preview.targets)

    @property
    def command(self) -> str:
        """The command that does the same to those that it would be done to."""
        wanted = [one.target for one in self.preview.targets if one.would]
        reason = self.reason or ("REASON" if self.action is OperatorAction.MAINTENANCE else "")
        return command(self.action, wanted, reason) if wanted else ""

    @property
    def summary(self) -> str:
        """What would be done, or what was, in one sentence."""
        if not self.is_begun:
            return actions.summary(self.shown)
        named = [one._replace(target=self.targets.name_of(one.target)) for one in self.outcomes]
        return actions.outcome_summary(self.action, named)


class Plans:
    """All of them, in memory: a restart forgets what was not confirmed. ``clock``: monotonic seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._plans: OrderedDict[str, Plan] = OrderedDict()  # the oldest first
        self._lock = Lock()  # without it two requests could drop the same oldest plan

    def add(self, owner: str, preview: ActionPreview, targets: Targets, back: str) -> Plan:
        """Keep a new one.

        Args:
            owner: what only the session knows that asks.
            preview: as the API has answered.
            targets: what it was asked about, and what not.
            back: the page that a person goes back to.
        """
        plan = Plan(owner, preview, targets, back, self._clock() + KEEP_S)
        with self._lock:
            own = [key for key, one in self._plans.items() if one.owner == owner]
            for key in own[: max(0, len(own) - _MOST_OF_SESSION + 1)]:
                del self._plans[key]
            self._plans[plan.key] = plan
            if len(self._plans) > _MOST:
                self._plans.popitem(last=False)
        return plan

    def get(self, key: str, owner: str) -> Plan | None:
        """That of this session; None: it has none, or not any more."""
        plan = self._plans.get(key)
        return plan if plan and plan.owner == owner and plan.ends_at > self._clock() else None


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
