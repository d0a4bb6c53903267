"""Answers that are not refusals."""

from http import HTTPStatus

from flask import Response
from pydantic import BaseModel


def answer(message: BaseModel, status: HTTPStatus = HTTPStatus.OK) -> Response:
    """``message`` as JSON."""
    return Response(message.model_dump_json(), status=status.value, mimetype="application/json")
