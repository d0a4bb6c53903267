"""Who may use the API: for a console, which asks it who signs in, and ends the sessions of those who were removed."""

from http import HTTPStatus

from flask import Blueprint, Response

from api.auth import Auth, known_operators, requires
from api.http import body, openapi, problems
from api.principal import current_principal
from api.services import services
from bringup.operators import Operator
from bringup.wire.operator import OperatorList, OperatorView

bp = Blueprint("people", __name__)


@bp.get("/operators")
@requires(Auth.STAFF)
@openapi.documented((HTTPStatus.OK, OperatorList))
def list_operators() -> Response:
    """Every person and console of OPERATORS_FILE, without their tokens."""
    found = sorted(known_operators(services()).by_name.values(), key=lambda one: one.name)
    return body.respond(OperatorList(operators=tuple(map(_view, found))))


@bp.get("/operators/me")
@requires(Auth.STAFF)
@openapi.documented((HTTPStatus.OK, OperatorView), refusals=(HTTPStatus.NOT_FOUND,))
def show_caller() -> Response:
    """The person or console whose token this request bears."""
    found = known_operators(services()).by_name.get(current_principal().name)
    if found is None:
        raise problems.unknown_operator()
    return body.respond(_view(found))


def _view(operator: Operator) -> OperatorView:
    return OperatorView(name=operator.name, role=operator.role.value, added=operator.added)
