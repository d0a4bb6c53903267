"""The queues, the jobs in quarantine, and what an action would lead to, for many targets at once."""

from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus

from flask import Blueprint, Response

from api import audit
from api.auth import Auth, requires
from api.http import body, openapi, problems
from api.runs import previews
from api.services import services
from bringup import log
from bringup.quarantine import AlreadyQueued, QuarantineEntry, QueueUnknown
from bringup.wire.actions import ActionPreview, ActionRequest, OperatorAction, TargetPreview, device_change
from bringup.wire.operator import JobRequest, QuarantinedJob, QueueList

bp = Blueprint("queues", __name__)
# In one response: a poisoned queue may have filled the quarantine. The counts are of all.
_MOST_JOBS = 1000
# Why a job cannot be put back.
ALREADY_QUEUED = "a job with this id was enqueued anew; discard the one in quarantine"
NO_QUEUE = "its entry in the quarantine cannot be read: its queue is not known; discard it"


@bp.get("/queues")
@requires(Auth.STAFF)
@openapi.documented((HTTPStatus.OK, QueueList))
def list_queues() -> Response:
    """How many jobs the queues hold, who fills and serves them, and what is in quarantine: the oldest 1000."""
    queues = services().queues
    jobs = queues.quarantined()
    quarantine = tuple(map(_view, jobs[:_MOST_JOBS]))
    found = QueueList(queues=tuple(queues.counts(jobs)), quarantine=quarantine, tailers=tuple(queues.tailers()))
    return body.respond(found)


@bp.post("/queues/requeue")
@requires(Auth.OPERATOR)
@openapi.documented(
    (HTTPStatus.ACCEPTED, QuarantinedJob), body=JobRequest, refusals=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)
)
def requeue() -> Response:
    """Put a job back on its queue. One that still cannot be read comes back into quarantine."""
    return _moved("requeue", "put back on its queue", services().queues.requeue)


@bp.post("/queues/discard")
@requires(Auth.OPERATOR)
@openapi.documented((HTTPStatus.ACCEPTED, QuarantinedJob), body=JobRequest, refusals=(HTTPStatus.NOT_FOUND,))
def discard() -> Response:
    """Delete a job in quarantine for good."""
    return _moved("discard", "discarded", services().queues.discard)


def _moved(action: str, done: str, move: Callable[[str], QuarantineEntry | None]) -> Response:
    job_id = body.read(JobRequest).job_id
    with audit.recorded(f"job.{action}", f"job/{job_id}") as record:
        job = _move(job_id, move)
        record.states(f"in quarantine of {job.queue}", done)
    log.get("api").info("a job in quarantine was moved", job_id=job_id, queue=job.queue, done=done)
    return body.respond(_view(job), HTTPStatus.ACCEPTED)


def _move(job_id: str, move: Callable[[str], QuarantineEntry | None]) -> QuarantineEntry:
    try:
        job = move(job_id)
    except AlreadyQueued:
        raise problems.conflict(ALREADY_QUEUED) from None
    except QueueUnknown:
        raise problems.conflict(NO_QUEUE) from None
    if job is None:
        raise problems.unknown_job(job_id)
    return job


def _view(job: QuarantineEntry) -> QuarantinedJob:
    return QuarantinedJob(**dict(job))


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
