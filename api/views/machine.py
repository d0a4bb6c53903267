"""What the machine of a run says: that it lives, and what it found."""

import random
from http import HTTPStatus

from flask import Blueprint, Response

from api.auth import Audience, audience
from api.http.body import REPORT_LIMIT, read_body
from api.http.openapi import documented
from api.http.problems import conflict, finished, invalid, unavailable, unknown_run
from api.http.responses import answer
from api.runs import events
from api.runs.records import RunRecord
from api.services import services
from api.views.run_context import change_run
from bringup.errors import InvalidTransition
from bringup.model import RunState
from bringup.wire.machine import Heartbeat, HeartbeatReply, ReportReply
from bringup.wire.report import Report

bp = Blueprint("machine", __name__)
_GONE = (HTTPStatus.NOT_FOUND, HTTPStatus.GONE)


@bp.post("/runs/<run_id>/heartbeat")
@audience(Audience.MACHINE)
@documented((HTTPStatus.ACCEPTED, HeartbeatReply), body=Heartbeat, refusals=_GONE)
def heartbeat(run_id: str) -> Response:
    """A sign of life. The answer says when to call again and whether to go on."""
    beat = read_body(Heartbeat)
    run = _own_run(run_id)
    if run.state is RunState.ABORTED:
        return answer(HeartbeatReply(next_s=0, command="abort"), HTTPStatus.ACCEPTED)
    if run.state.ended:
        raise finished(f"the run has ended: {run.state}")
    try:
        change_run(run_id, lambda moment: events.heartbeat(moment, beat))
    except InvalidTransition as error:
        raise finished(str(error)) from None
    interval = services().settings.heartbeat_interval_s
    # Spread by half either way, so that machines which boot together do not call together.
    next_s = interval * random.uniform(0.5, 1.5)  # noqa: S311 - jitter, not a secret
    return answer(HeartbeatReply(next_s=next_s, command="continue"), HTTPStatus.ACCEPTED)


@bp.post("/runs/<run_id>/report")
@audience(Audience.MACHINE)
@documented(
    (HTTPStatus.ACCEPTED, ReportReply),
    (HTTPStatus.OK, ReportReply),
    body=Report,
    refusals=(*_GONE, HTTPStatus.CONFLICT),
)
def report(run_id: str) -> Response:
    """What the machine found. The verdict is ours; the same report again is answered, and changes nothing."""
    message = read_body(Report, REPORT_LIMIT)
    if message.simulated and services().settings.environment == "production":
        raise invalid("a simulated report has no place in production")
    run = _own_run(run_id)
    if run.report_sha256 is not None:
        return _replayed(run_id, message)
    if run.state.ended:
        raise finished(f"the run has ended: {run.state}")
    try:
        change = change_run(run_id, lambda moment: events.report(moment, message))
    except InvalidTransition as error:
        return _late(run_id, message, error)
    return answer(ReportReply(run_id=run_id, state=change.run.state, replay=False), HTTPStatus.ACCEPTED)


def _late(run_id: str, message: Report, error: InvalidTransition) -> Response:
    """The run moved between our look and our change: two deliveries of one report, or its end."""
    run = _own_run(run_id)
    if run.report_sha256 is None:
        raise finished(str(error)) from None
    return _replayed(run_id, message)


def _replayed(run_id: str, message: Report) -> Response:
    """The first delivery may have been stored and not confirmed: a failover could lose it still."""
    run = services().store.confirmed_run(run_id)
    if run is None or run.report_sha256 is None:
        raise unavailable("a failover of Redis has lost the report; send it again")
    if events.report_digest(message) != run.report_sha256:
        raise conflict("another report of this run is on record; a run has one report")
    return answer(ReportReply(run_id=run.run_id, state=run.state, replay=True), HTTPStatus.OK)


def _own_run(run_id: str) -> RunRecord:
    run = services().store.run(run_id)
    if run is None:
        raise unknown_run()
    if run.state is RunState.UNKNOWN:
        raise unavailable("a newer version of the API wrote this run: upgrade the API again, or abort the run")
    return run
