"""Calls of every kind to an API, and whether it answers as its OpenAPI document says."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from typing import Any, cast

import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

DOCUMENT = "/api/v1/openapi.json"
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
App = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def strict(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document as it holds for this version: no reply has a field that it does not name."""
    found: dict[str, Any] = deepcopy(dict(document))
    for schema in found["components"]["schemas"].values():
        if "properties" in schema:
            schema["additionalProperties"] = False
    return found


def with_strict_document(app: Any) -> App:
    """The application, with `strict` in place of its document."""
    document = json.dumps(strict(app.test_client().get(DOCUMENT).json)).encode()

    def serve(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] != DOCUMENT:
            return cast("Iterable[bytes]", app(environ, start_response))
        start_response("200 OK", [("Content-Type", "application/json")])
        return [document]

    return serve


def operations_of(schema: Any) -> list[Any]:
    """Every call of the document."""
    return [cast("Any", found).ok() for found in schema.get_all_operations()]


def probe(operations: list[Any], callers: list[dict[str, Any]], token: str, runs: Sequence[str], examples: int) -> None:
    """Make calls, and compare each response with the document.

    Args:
        callers: what each client presents, as arguments of requests; one is chosen for each call.
        token: of services.
        runs: ids of runs that there are.
        examples: how many calls.
    """

    @given(data=st.data())
    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    def call(data: Any) -> None:
        case = data.draw(data.draw(st.sampled_from(operations)).as_strategy())
        if "run_id" in (case.path_parameters or {}):
            case.path_parameters["run_id"] = data.draw(st.sampled_from([*runs, "02-00-00-00-00-99-1", "x"]))
        case.headers = {**(case.headers or {}), "Authorization": f"Bearer {token}", "Accept-Encoding": "identity"}
        case.call_and_validate(checks=CHECKS, **data.draw(st.sampled_from(callers)))

    call()


def schema_of(document: Mapping[str, Any]) -> Any:
    """The document as a schema, for an API that is served elsewhere."""
    return schemathesis.openapi.from_dict(strict(document))
