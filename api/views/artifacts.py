"""The logs of a machine: it leaves them with its run, an operator reads them."""

from http import HTTPStatus

from flask import Blueprint, Response

from api.auth import Auth, requires
from api.http import body, openapi, problems
from api.services import services
from api.state.artifacts import LIMIT, NAMES
from bringup.wire.run import Artifact

bp = Blueprint("artifacts", __name__)


@bp.put("/runs/<run_id>/artifacts/<name>")
@requires(Auth.MACHINE)
@openapi.documented(
    (HTTPStatus.CREATED, Artifact),
    (HTTPStatus.OK, Artifact),
    body=openapi.Text,
    refusals=(HTTPStatus.NOT_FOUND, HTTPStatus.GONE),
)
def put_artifact(run_id: str, name: str) -> Response:
    """Leave a log, also after the report: it is taken until the run is closed. A later one takes its place."""
    _check_name(name)
    content = body.read_text(LIMIT)
    run = services().store.run(run_id)
    if run is None:
        raise problems.unknown_run()
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
        raise problems.unknown_run()
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
