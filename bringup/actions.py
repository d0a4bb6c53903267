"""Actions of a person on many devices, runs or jobs: what they would lead to, and doing them, in words for people.

The console and the command line use this, so that both show the same words and ask the API for the same things.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol, TypeVar
from urllib.parse import quote

from pydantic import BaseModel

from bringup import errors, model
from bringup.wire import actions
from bringup.wire import operator as wire
from bringup.wire.run import Run, RunDecision

_Reply = TypeVar("_Reply", bound=BaseModel)
# Names of so many targets with one reason are shown; a person looks the others up in the list.
_MOST_NAMED = 5
# What would be done, and what was done, behind a number or a name.
WORDS: dict[actions.OperatorAction, tuple[str, str]] = {
    actions.OperatorAction.START: ("would start", "started"),
    actions.OperatorAction.APPROVE: ("would be approved", "approved"),
    actions.OperatorAction.IN_SERVICE: ("would be put in service", "put in service"),
    actions.OperatorAction.WITHHOLD: ("would be withheld", "withheld"),
    actions.OperatorAction.MAINTENANCE: ("would be put in maintenance", "put in maintenance"),
    actions.OperatorAction.END_MAINTENANCE: ("would be taken out of maintenance", "taken out of maintenance"),
    actions.OperatorAction.ABORT: ("would be aborted", "aborted"),
    actions.OperatorAction.REPEAT: ("would be repeated", "repeated"),
    actions.OperatorAction.REQUEUE: ("would be put back on their queue", "put back on its queue"),
    actions.OperatorAction.DISCARD: ("would be deleted for good", "deleted for good"),
}


class ActsOnApi(Protocol):
    """What is needed of an `ApiClient`; its token is of the person who acts."""

    def post(self, path: str, body: BaseModel, reply: type[_Reply]) -> _Reply:
        """``POST /api/v1{path}``, as `ApiClient` does."""

    def patch(self, path: str, body: BaseModel, reply: type[_Reply]) -> _Reply:
        """``PATCH /api/v1{path}``, as `ApiClient` does."""


class ActionOutcome(NamedTuple):
    """What was done to one target; ``detail``: what became of it, as a sentence, or why nothing was done."""

    target: str
    done: bool
    detail: str


def preview(
    client: ActsOnApi, action: actions.OperatorAction, targets: Sequence[str], reason: str = ""
) -> actions.ActionPreview:
    """What the action would lead to, by the rules of the API; nothing is changed.

    Args:
        client: of the API.
        action: what would be done.
        targets: names of devices, or ids of runs or jobs.
        reason: of maintenance.

    Raises:
        ApiUnavailable, ApiRejected: as from every call.
    """
    found: list[actions.TargetPreview] = []
    for start in range(0, len(targets), actions.MOST_TARGETS):
        some = tuple(targets[start : start + actions.MOST_TARGETS])
        request = actions.ActionRequest(action=action, targets=some, reason=reason)
        found += client.post("/actions/preview", request, actions.ActionPreview).targets
    return actions.ActionPreview(action=action, targets=tuple(found))


def summary(found: actions.ActionPreview) -> str:
    """One sentence: ``12 would start, 3 would not: r12u07 because the machine is in service; ...``."""
    would = sum(one.would for one in found.targets)
    would_not = len(found.targets) - would
    sentence = f"{would} {WORDS[actions.OperatorAction(found.action)][0]}"
    return f"{sentence}, {would_not} would not: {'; '.join(reasons(found))}" if would_not else sentence


def reasons(found: actions.ActionPreview) -> list[str]:
    """Why some targets would not, each reason once, with the targets that it holds for."""
    return _by_reason((one.target, one.reason) for one in found.targets if not one.would)


def outcome_summary(action: actions.OperatorAction, outcomes: Sequence[ActionOutcome]) -> str:
    """One sentence: ``11 started, 1 was not: r12u07 because run ... has not ended``."""
    done = sum(one.done for one in outcomes)
    sentence = f"{done} {WORDS[action][1]}"
    missed = [one for one in outcomes if not one.done]
    if not missed:
        return sentence
    were = "was" if len(missed) == 1 else "were"
    return f"{sentence}, {len(missed)} {were} not: {'; '.join(_by_reason((one.target, one.detail) for one in missed))}"


def apply(client: ActsOnApi, found: actions.ActionPreview, reason: str = "") -> Iterator[ActionOutcome]:
    """Do what was previewed, target by target; what would not be done is not tried.

    A refusal of one target does not stop the others. When the API does not answer, the rest is not tried.

    Args:
        client: of the API.
        found: as `preview` found it, and a person has seen it.
        reason: on record; empty: the usual one.
    """
    outage = ""
    for one in found.targets:
        if outage or not one.would:
            yield ActionOutcome(one.target, done=False, detail=outage or one.reason)
            continue
        try:
            yield ActionOutcome(
                one.target, done=True, detail=_apply_one(client, actions.OperatorAction(found.action), one, reason)
            )
        except errors.ApiRejected as error:
            yield ActionOutcome(one.target, done=False, detail=str(error))
        except errors.ApiUnavailable as error:
            outage = f"not tried: {error}"
            yield ActionOutcome(one.target, done=False, detail=f"it is not known whether it was done: {error}")


def _apply_one(client: ActsOnApi, action: actions.OperatorAction, one: actions.TargetPreview, reason: str) -> str:
    name = quote(one.target, safe="")
    given = {"reason": reason} if reason else {}
    match action:
        case actions.OperatorAction.START:
            run = client.post(f"/devices/{name}/runs", wire.StartRequest(**given), RunDecision)
            return f"Run {run.run_id} of {one.target}: {run.state}"
        case actions.OperatorAction.REPEAT:
            run = client.post(f"/runs/{name}/repeat", wire.RepeatRequest(**given), RunDecision)
            return f"Run {run.run_id} repeats {one.target}: {run.state}"
        case actions.OperatorAction.ABORT:
            ended = client.post(f"/runs/{name}/abort", wire.AbortRequest(**given), Run)
            return f"Run {ended.run_id} of {ended.device}: {ended.state}"
        case actions.OperatorAction.REQUEUE:
            job = client.post("/queues/requeue", wire.JobRequest(job_id=one.target), wire.QuarantinedJob)
            return f"Job {job.job_id} is on the queue {job.queue} again"
        case actions.OperatorAction.DISCARD:
            job = client.post("/queues/discard", wire.JobRequest(job_id=one.target), wire.QuarantinedJob)
            return f"Job {job.job_id} of the queue {job.queue} is deleted"
    # A machine that another person has put in service since the preview must not be exposed by it.
    change = actions.device_change(action, reason, expected_state=_state_of(one))
    if change is None:
        raise ValueError(f"{action} has no call of the API")
    device = client.patch(f"/devices/{name}", change, wire.DeviceView)
    maintained = f", in maintenance: {device.maintenance}" if device.maintenance else ""
    return f"Device {device.name}: {device.state}{maintained}"


def _state_of(one: actions.TargetPreview) -> model.DeviceState | None:
    """Without the reason of maintenance, which `device_changes.shown` adds."""
    try:
        return model.DeviceState(one.state.partition(" ")[0])
    except ValueError:
        return None


def _by_reason(refused: Iterable[tuple[str, str]]) -> list[str]:
    """Of targets, each with its reason."""
    of_reason: dict[str, list[str]] = defaultdict(list)
    for target, reason in refused:
        of_reason[reason].append(target)
    return [f"{_named(names)} because {reason}" for reason, names in of_reason.items()]


def _named(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
