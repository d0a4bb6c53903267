"""What a machine says that cannot trust the API: why not, and a proof that it is the machine of this run."""

import re
from http import HTTPStatus

from flask import Blueprint, Response

from api.auth import Audience, audience
from api.http.body import KIB, read_body
from api.http.openapi import documented
from api.http.problems import finished, unauthorized, unavailable
from api.http.responses import answer
from api.runs import events
from api.runs.records import RunRecord
from api.runs.tls_failure import proves
from api.services import services
from api.views.run_context import change_run
from bringup.errors import InvalidTransition
from bringup.model import RUN_ID
from bringup.wire.machine import Trouble, TroubleReply

bp = Blueprint("trouble", __name__)
_LIMIT = 16 * KIB


@bp.post("/runs/<run_id>/trouble")
@audience(Audience.DISTRUSTFUL)
@documented(
    (HTTPStatus.ACCEPTED, TroubleReply),
    (HTTPStatus.OK, TroubleReply),
    body=Trouble,
    refusals=(HTTPStatus.UNAUTHORIZED, HTTPStatus.GONE, HTTPStatus.SERVICE_UNAVAILABLE),
    public=True,
)
def trouble(run_id: str) -> Response:
    """The machine cannot trust us, and says so without its token, which whoever poses as us would get."""
    message = read_body(Trouble, _LIMIT)
    run = _proven_run(run_id, message)
    if run.state.ended:
        return _after_the_end(run_id, message)
    try:
        change = change_run(run_id, lambda moment: events.trouble(moment, message))
    except InvalidTransition:
        return _after_the_end(run_id, message)
    return answer(TroubleReply(run_id=run_id, state=change.run.state), HTTPStatus.ACCEPTED)


def _proven_run(run_id: str, message: Trouble) -> RunRecord:
    """One answer to a wrong proof, an unknown run and what is no run id at all: a guess must teach nothing."""
    known = re.fullmatch(RUN_ID, run_id) is not None
    digest = services().tokens.digest(run_id) if known else None
    proven = proves(message, run_id, digest)
    run = services().store.run(run_id) if proven else None
    if run is None:
        raise unauthorized("the proof is wrong")
    return run


def _after_the_end(run_id: str, message: Trouble) -> Response:
    """The answer to the first delivery was lost, or the run has come to another end."""
    run = services().store.confirmed_run(run_id)
    if run is None or not run.state.ended:
        raise unavailable("a failover of Redis has lost the end of the run; send it again")
    if run.reason is not message.reason:
        raise finished(f"the run is {run.state}")
    return answer(TroubleReply(run_id=run.run_id, state=run.state), HTTPStatus.OK)
