"""What an action would lead to, for many targets at once: what the console and the CLI show before anything is done."""

from collections.abc import Iterable, Mapping
from http import HTTPStatus

from flask import Blueprint, Response

from api.auth import Auth, requires
from api.http import body, openapi
from api.runs import previews
from api.services import services
from api.views.queues import ALREADY_QUEUED, NO_QUEUE
from bringup.wire.actions import ActionPreview, ActionRequest, OperatorAction, TargetPreview, device_change

bp = Blueprint("actions", __name__)
_Previews = Mapping[str, TargetPreview]


@bp.post("/actions/preview")
@requires(Auth.STAFF)
@openapi.documented((HTTPStatus.OK, ActionPreview), body=ActionRequest)
def preview() -> Response:
    """What an action would lead to for each target, if it were done now. Nothing is changed."""
    wanted = body.read(ActionRequest)
    kind, found = _of_kind(wanted, list(dict.fromkeys(wanted.targets)))
    targets = (found.get(target) or previews.unknown(target, kind) for target in dict.fromkeys(wanted.targets))
    return body.respond_compressed(ActionPreview(action=wanted.action, targets=tuple(targets)))


def _of_kind(wanted: ActionRequest, targets: list[str]) -> tuple[str, _Previews]:
    if wanted.action in {OperatorAction.ABORT, OperatorAction.REPEAT}:
        return "run", _runs(wanted.action, targets)
    if wanted.action in {OperatorAction.REQUEUE, OperatorAction.DISCARD}:
        return "job in quarantine", _jobs(wanted.action, targets)
    return "device", _devices(wanted, targets)


def _devices(wanted: ActionRequest, names: list[str]) -> _Previews:
    given = services()
    devices = given.store.devices(names)
    change = device_change(wanted.action, wanted.reason)
    if change is None:
        return _by_target(previews.of_start(device, given.settings) for device in devices)
    return _by_target(previews.of_device(device, change) for device in devices)


def _runs(action: OperatorAction, ids: list[str]) -> _Previews:
    given = services()
    runs, now = given.store.runs(ids), given.store.now()
    if action is OperatorAction.ABORT:
        return _by_target(previews.of_abort(run, now) for run in runs)
    devices = {device.record.name: device for device in given.store.devices({run.device for run in runs})}
    return _by_target(previews.of_repeat(run, devices.get(run.device), given.settings) for run in runs)


def _jobs(action: OperatorAction, ids: list[str]) -> _Previews:
    queues, wanted = services().queues, set(ids)
    jobs = [job for job in queues.quarantined() if job.job_id in wanted]
    enqueued = queues.enqueued([job.job_id for job in jobs]) if action is OperatorAction.REQUEUE else set()

    def of(job_id: str, queue: str) -> TargetPreview:
        why_not = (
            ALREADY_QUEUED if job_id in enqueued else "" if queue or action is OperatorAction.DISCARD else NO_QUEUE
        )
        becomes = "" if why_not else "deleted" if action is OperatorAction.DISCARD else f"queued on {queue}"
        return TargetPreview(target=job_id, would=not why_not, reason=why_not, state="quarantined", becomes=becomes)

    return _by_target(of(job.job_id, job.queue) for job in jobs)


def _by_target(found: Iterable[TargetPreview]) -> _Previews:
    return {one.target: one for one in found}
