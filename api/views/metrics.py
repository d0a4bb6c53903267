"""What monitoring asks."""

from http import HTTPStatus

from flask import Blueprint, Response
from prometheus_client import CONTENT_TYPE_LATEST

from api.auth import Audience, audience
from api.http.openapi import Text, documented
from api.services import services
from api.state.metrics import exposition

bp = Blueprint("metrics", __name__)


@bp.get("/metrics")
@audience(Audience.STAFF)
@documented((HTTPStatus.OK, Text))
def metrics() -> Response:
    """How runs, devices and queues stand, in Prometheus' text format."""
    return Response(exposition(services().store, services().quarantine), content_type=CONTENT_TYPE_LATEST)
