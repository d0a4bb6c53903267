"""What anyone may ask."""

from http import HTTPStatus

from flask import Blueprint, Response, jsonify

from api.auth import Auth, requires
from api.http import body, openapi
from api.services import services
from bringup import __version__
from bringup.errors import InventoryError, PermanentError, RedisRefusesWrites, RedisUnavailable
from bringup.wire.message import Health, Readiness

bp = Blueprint("public", __name__)


@bp.get("/health")
@requires(Auth.ANYONE)
@openapi.documented((HTTPStatus.OK, Health), public=True)
def health() -> Response:
    """This process serves; says which service and version it is."""
    return body.respond(Health(service="bringup-api", version=__version__))


@bp.get("/ready")
@requires(Auth.ANYONE)
@openapi.documented((HTTPStatus.OK, Readiness), (HTTPStatus.SERVICE_UNAVAILABLE, Readiness), public=True)
def ready() -> Response:
    """Whether the API can do its work: Redis takes writes, has a replica if it needs one, and has lost nothing."""
    problems, withheld = [], None
    try:
        services().database.check_writes()
        withheld = services().installation.withheld()
        replicas = services().database.replicas()
        if replicas and not replicas.following:
            problems.append("no replica of Redis follows the master")
    except RedisRefusesWrites:
        problems.append("Redis refuses writes")
    except (RedisUnavailable, PermanentError):
        problems.append("Redis does not answer")
    try:
        services().store.inventory()
    except InventoryError:
        problems.append("the inventory cannot be read")
    problems += filter(None, (withheld, services().installation.not_remembering))
    status = HTTPStatus.SERVICE_UNAVAILABLE if problems else HTTPStatus.OK
    return body.respond(Readiness(ready=not problems, problems=tuple(problems), withheld=withheld), status)


@bp.get("/openapi.json")
@requires(Auth.ANYONE)
def openapi_document() -> Response:
    """This document."""
    return jsonify(services().openapi)
