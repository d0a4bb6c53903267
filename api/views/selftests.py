"""The daily self-test of each host: posted by its timer, and shown to people and to metrics."""

from http import HTTPStatus

from flask import Blueprint, Response

from api.auth import Auth, requires
from api.http import body, openapi, problems
from api.principal import current_principal
from api.services import services
from api.state.selftests import TooManyHosts
from bringup import log
from bringup.wire import selftest as wire

bp = Blueprint("selftests", __name__)
# Bytes. The ids of 200 checks are below 16 KiB.
_LIMIT = body.MIB // 16


@bp.post("/selftest")
@requires(Auth.WORKER)
@openapi.documented(
    (HTTPStatus.OK, wire.SelfTestView), body=wire.SelfTestReport, refusals=(HTTPStatus.TOO_MANY_REQUESTS,), limit=_LIMIT
)
def post() -> Response:
    """Post the result of a host's self-test; it replaces the one before."""
    report = body.read(wire.SelfTestReport, limit=_LIMIT)
    try:
        view = services().selftests.keep(report, services().database.now(), current_principal().name)
    except TooManyHosts:
        raise problems.busy("results of too many hosts are kept already") from None
    if not report.passed:
        log.get("api").warning("the self-test of a host has failed", host=report.host, failed=list(report.failed))
    return body.respond(view)


@bp.get("/selftest")
@requires(Auth.STAFF)
@openapi.documented((HTTPStatus.OK, wire.SelfTestList))
def list_selftests() -> Response:
    """The last result of each host."""
    return body.respond(wire.SelfTestList(selftests=services().selftests.all()))
