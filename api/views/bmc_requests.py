"""How long BMCs take to answer: reported by workers, shown in the metrics."""

from http import HTTPStatus

from flask import Blueprint, Response

from api.auth import Auth, requires
from api.http import body, openapi
from api.services import services
from api.state import bmc_requests
from bringup.wire.bmc import BmcRequests, BmcRequestsReply

bp = Blueprint("bmc_requests", __name__)


@bp.post("/bmc-requests")
@requires(Auth.WORKER)
@openapi.documented((HTTPStatus.ACCEPTED, BmcRequestsReply), body=BmcRequests)
def post() -> Response:
    """How long BMCs took to answer a worker since its last report: `bringup_bmc_request_seconds` of the metrics."""
    counted = bmc_requests.add(services().database, body.read(BmcRequests))
    return body.respond(BmcRequestsReply(counted=counted), HTTPStatus.ACCEPTED)
