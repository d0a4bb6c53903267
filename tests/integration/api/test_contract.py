"""The OpenAPI document and docs/api.md are true: whatever is sent, the API answers as they say, never with a 500."""

import re
from pathlib import Path
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

from api.auth import auth_of
from api.http import problems
from tests.conftest import TOKEN
from tests.integration.api.conftest import RUN_A, RUN_B, Api

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
PAGE = Path(__file__).parents[3] / "docs" / "api.md"
PRESENTED = {
    "anyone": "nothing",
    "worker": "worker",
    "operator": "operator",
    "staff": "worker or operator",
    "machine": "run token",
    "proof": "proof of the run token",
    "capability_url": "the address",
    "certificate": "certificate",
    "host": "certificate of the host",
    "ca": "certificate of the CA's host",
}


def test_the_page_lists_every_call_and_what_its_caller_presents(api: Api) -> None:
    listed = re.findall(r"^\| `(\w+) (/\S+)` \| ([\w' ]+) \|", PAGE.read_text(), re.MULTILINE)
    app = api.client.application
    served = {
        (method, rule.rule.removeprefix("/api/v1"), PRESENTED[str(auth_of(app.view_functions[rule.endpoint]))])
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert set(listed) == served - {("POST", "/runs/<run_id>/trouble", "proof of the run token")}


def test_the_page_explains_every_type_of_error() -> None:
    kinds = set(re.findall(r'HTTPStatus\.\w+, "(\w+)"', Path(problems.__file__).read_text()))
    assert kinds
    assert kinds <= set(re.findall(r"`(\w+)`", PAGE.read_text()))


def test_whatever_is_sent_the_api_answers_as_its_document_says(api: Api) -> None:
    api.booted(RUN_A)
    api.lease(RUN_B)
    schema = schemathesis.openapi.from_wsgi("/api/v1/openapi.json", api.client.application)
    operations = [cast("Any", found).ok() for found in schema.get_all_operations()]
    assert len(operations) == 34, "a call was added or lost; is it documented?"

    @given(data=st.data())
    @settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    def probe(data: Any) -> None:
        case = data.draw(data.draw(st.sampled_from(operations)).as_strategy())
        if "run_id" in (case.path_parameters or {}):
            case.path_parameters["run_id"] = data.draw(st.sampled_from([RUN_A, RUN_B, "02-00-00-00-00-99-1", "x"]))
        case.headers = {**(case.headers or {}), "Authorization": f"Bearer {TOKEN}", "Accept-Encoding": "identity"}
        case.call_and_validate(checks=CHECKS)

    probe()
