"""The queues, and the jobs in quarantine."""

from collections.abc import Callable
from http import HTTPStatus

from flask import Blueprint, Response

from api import audit
from api.auth import Auth, requires
from api.http import body, openapi, problems
from api.services import services
from bringup import log
from bringup.quarantine import AlreadyQueued, QuarantineEntry, QueueUnknown
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
