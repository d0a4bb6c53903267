"""What the machine of a run posts: heartbeats, its report, its logs, and the reason why it cannot trust us."""

import re
from http import HTTPStatus

from flask import Blueprint, Response

from api.auth import Auth, requires
from api.http import body, openapi, problems
from api.runs import machine_events, records
from api.runs import tls_failure as failure_of_tls
from api.runs.states import RunContext
from api.services import change_run, services
from api.state.artifacts import LIMIT, NAMES
from api.state.snapshot import Also
from bringup import backoff, errors, model
from bringup.wire.machine import Artifact, Heartbeat, HeartbeatReply, ReportReply, TlsFailure, TlsFailureReply
from bringup.wire.report import Report

bp = Blueprint("machine", __name__)
# What every call of a machine may get: no such run for this token, or the run has ended.
_GONE = (HTTPStatus.NOT_FOUND, HTTPStatus.GONE)
# The message holds one text of at most 1,024 characters; anyone may post it without a token.
_TLS_FAILURE_LIMIT = 16 * body.KIB


@bp.post("/runs/<run_id>/heartbeat")
@requires(Auth.MACHINE)
@openapi.documented((HTTPStatus.ACCEPTED, HeartbeatReply), body=Heartbeat, refusals=_GONE)
def heartbeat(run_id: str) -> Response:
    """A sign of life. The response has when to call again and whether to go on."""
    beat = body.read(Heartbeat)
    try:
        outcome = change_run(run_id, lambda context: _beat(context, beat), Also(device=False))
    except errors.InvalidTransition as error:
        raise problems.finished(str(error)) from None
    if isinstance(outcome, records.RunRecord):
        return body.respond(HeartbeatReply(next_s=0, command="abort"), HTTPStatus.ACCEPTED)
    # Spread by half either way, so that machines which boot together do not call together.
    next_s = backoff.spread(services().settings.heartbeat_interval_s, 0.5)
    return body.respond(HeartbeatReply(next_s=next_s, command="continue"), HTTPStatus.ACCEPTED)


def _beat(context: RunContext, beat: Heartbeat) -> records.Change | records.RunRecord:
    """The change; the run itself when it was aborted."""
    if context.run.state is model.RunState.ABORTED:
        return context.run
    _refuse_after_the_end(context.run)
    return machine_events.heartbeat(context, beat)


def _refuse_after_the_end(run: records.RunRecord) -> None:
    if run.state is model.RunState.UNKNOWN:
        raise problems.unavailable("a newer version of the API wrote this run: upgrade the API again, or abort the run")
    if run.state.ended:
        raise problems.finished(f"the run has ended: {run.state}")


@bp.post("/runs/<run_id>/report")
@requires(Auth.MACHINE)
@openapi.documented(
    (HTTPStatus.ACCEPTED, ReportReply),
    (HTTPStatus.OK, ReportReply),
    body=Report,
    limit=body.REPORT_LIMIT,
    refusals=(*_GONE, HTTPStatus.CONFLICT),
)
def report(run_id: str) -> Response:
    """What the machine found. The verdict is ours; the same report again changes nothing."""
    message = body.read(Report, body.REPORT_LIMIT)
    if message.simulated and services().settings.environment == "production":
        raise problems.invalid("a simulated report is refused with ENVIRONMENT=production")
    try:
        outcome = change_run(run_id, lambda context: _reported(context, message))
    except errors.InvalidTransition as error:
        raise problems.finished(str(error)) from None
    if isinstance(outcome, records.RunRecord):
        return body.respond(ReportReply(run_id=run_id, state=outcome.state, replay=True), HTTPStatus.OK)
    return body.respond(ReportReply(run_id=run_id, state=outcome.run.state, replay=False), HTTPStatus.ACCEPTED)


def _reported(context: RunContext, message: Report) -> records.Change | records.RunRecord:
    """The change; the run itself when this very report is on record.

    The first delivery may have been stored and not confirmed, and a failover could still lose it: the transaction
    confirms what it has read.
    """
    known = context.run.report_sha256
    # Before the state: a report whose response was lost is sent again after the run has ended with it.
    if known is not None and machine_events.report_digest(message) == known:
        return context.run
    if known is not None:
        raise problems.conflict("another report of this run is on record; a run has one report")
    _refuse_after_the_end(context.run)
    return machine_events.report(context, message)


@bp.post("/runs/<run_id>/tls-failure")
@requires(Auth.PROOF)
@openapi.documented(
    (HTTPStatus.ACCEPTED, TlsFailureReply),
    (HTTPStatus.OK, TlsFailureReply),
    body=TlsFailure,
    limit=_TLS_FAILURE_LIMIT,
    refusals=(HTTPStatus.UNAUTHORIZED, HTTPStatus.GONE, HTTPStatus.SERVICE_UNAVAILABLE),
    public=True,
)
def tls_failure(run_id: str) -> Response:
    """The machine does not trust us. It proves its token instead of sending it: an impostor would get it."""
    message = body.read(TlsFailure, _TLS_FAILURE_LIMIT)
    run = _proven_run(run_id, message)
    if run.state.ended:
        return _after_the_end(run_id, message)
    try:
        change = change_run(run_id, lambda context: failure_of_tls.end_run(context, message))
    except errors.InvalidTransition:
        return _after_the_end(run_id, message)
    return body.respond(TlsFailureReply(run_id=run_id, state=change.run.state), HTTPStatus.ACCEPTED)


@bp.post("/runs/<run_id>/trouble")
@requires(Auth.PROOF)
def trouble(run_id: str) -> Response:
    """The same for agents of version 0.1, in images that were built before an upgrade."""
    return tls_failure(run_id=run_id)


def _proven_run(run_id: str, message: TlsFailure) -> records.RunRecord:
    """One refusal for a wrong proof, an unknown run and what is no run id: a guess must show nothing."""
    known = re.fullmatch(model.RUN_ID, run_id) is not None
    digest = services().tokens.digest(run_id) if known else None
    proven = failure_of_tls.proves(message, run_id, digest)
    # Only after the proof: else the time of the answer would show which runs exist.
    run = services().store.run(run_id) if proven else None
    if run is None:
        raise problems.unauthorized("the proof is wrong")
    return run


def _after_the_end(run_id: str, message: TlsFailure) -> Response:
    """The response to the first delivery was lost, or the run has ended otherwise."""
    run = services().store.confirmed_run(run_id)
    if run is None or not run.state.ended:
        raise problems.unavailable("a failover of Redis has lost the end of the run; send it again")
    if run.reason is not message.reason:
        raise problems.finished(f"the run is {run.state}")
    return body.respond(TlsFailureReply(run_id=run.run_id, state=run.state), HTTPStatus.OK)


@bp.put("/runs/<run_id>/artifacts/<name>")
@requires(Auth.MACHINE)
@openapi.documented(
    (HTTPStatus.CREATED, Artifact),
    (HTTPStatus.OK, Artifact),
    body=openapi.Text,
    limit=LIMIT,
    refusals=(HTTPStatus.NOT_FOUND, HTTPStatus.GONE),
)
def put_artifact(run_id: str, name: str) -> Response:
    """Store a log, also after the report, until the run is closed. A later one replaces it."""
    _check_name(name)
    content = body.read_text(LIMIT)
    run = services().store.run(run_id)
    if run is None:
        raise problems.unknown_run(run_id)
    if run.closed_at is not None:
        raise problems.finished(f"the run is {run.state} and closed")
    is_new = services().artifacts.put(run_id, name, content)
    return body.respond(Artifact(name=name, size=len(content)), HTTPStatus.CREATED if is_new else HTTPStatus.OK)


@bp.get("/runs/<run_id>/artifacts/<name>")
@requires(Auth.OPERATOR)
@openapi.documented((HTTPStatus.OK, openapi.Text), refusals=(HTTPStatus.NOT_FOUND,))
def show_artifact(run_id: str, name: str) -> Response:
    """A log as the machine sent it: never to be shown by a browser, which might take it for a page."""
    _check_name(name)
    if services().store.run(run_id) is None:
        raise problems.unknown_run(run_id)
    content = services().artifacts.get(run_id, name)
    if content is None:
        raise problems.unknown_artifact(f"the machine has left no {name}")
    response = Response(content, mimetype="text/plain")
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Content-Disposition"] = f'attachment; filename="{run_id}-{name}"'
    return response


def _check_name(name: str) -> None:
    if name not in NAMES:
        raise problems.unknown_artifact(f"there is no such artifact; a run has: {', '.join(NAMES)}")
