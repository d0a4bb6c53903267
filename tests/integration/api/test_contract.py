"""The OpenAPI document and docs/api.md are true: whatever is sent, the API answers as they say, never with a 500."""

import ast
import json
import re
from pathlib import Path

import schemathesis

from api import views
from api.auth import auth_of
from api.http import problems
from tests.conftest import TOKEN
from tests.integration.api.conftest import RUN_A, RUN_B, Api
from tests.integration.api.contract import DOCUMENT, operations_of, probe, with_strict_document

CALLS = 40
# What stands in an address for a name in braces.
NAMES = {"run_id": RUN_A, "name": "agent.log", "secret": "x", "enrollment_id": "0" * 64}
# The calls that take a certificate and no token: tests/integration/tls/test_contract.py
BY_CERTIFICATE = {"enrollments", "trust", "hosts"}
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
    app = with_strict_document(api.client.application)
    operations = operations_of(schemathesis.openapi.from_wsgi(DOCUMENT, app))
    assert len(operations) == CALLS, "a call was added or lost; is it documented?"
    probe(operations, [{}], TOKEN, [RUN_A, RUN_B], examples=250)


def test_a_newer_api_may_answer_with_more_than_the_document_names_and_is_asked_for_no_more(api: Api) -> None:
    """A client that was generated from the document must read a reply of the next version."""
    document = api.ok("GET", "/openapi.json")
    schemas = document["components"]["schemas"]
    calls = [call for path in document["paths"].values() for call in path.values()]
    answers, bodies = json.dumps([call["responses"] for call in calls]), [call.get("requestBody") for call in calls]
    answered = {name for name in schemas if f'schemas/{name}"' in answers}
    while (
        more := {name for name in schemas if f'schemas/{name}"' in json.dumps([schemas[n] for n in answered])}
        - answered
    ):
        answered |= more
    assert {"RunList", "Run", "Verdict", "ReportInReply", "DiskInReply"} <= answered
    assert [name for name in sorted(answered) if "additionalProperties" in schemas[name]] == []
    asked = {name for name in schemas if f'schemas/{name}"' in json.dumps(bodies)} - {"Text"}
    assert {"Report", "Heartbeat"} <= asked
    assert [name for name in sorted(asked) if schemas[name].get("additionalProperties") is not False] == []


def test_a_view_declares_the_query_that_it_reads() -> None:
    """What is read and not declared is in no client that was generated from the document."""
    read = [
        (function.name, model)
        for path in Path(views.__path__[0]).glob("*.py")
        for function in ast.walk(ast.parse(path.read_text()))
        if isinstance(function, ast.FunctionDef)
        for model in re.findall(r"read_query\((\w+)\)", ast.unparse(function))
    ]
    declared = [
        (function.name, model)
        for path in Path(views.__path__[0]).glob("*.py")
        for function in ast.walk(ast.parse(path.read_text()))
        if isinstance(function, ast.FunctionDef)
        for model in re.findall(r"query=(\w+)", " ".join(map(ast.unparse, function.decorator_list)))
    ]
    assert len(read) >= 3
    assert sorted(read) == sorted(declared)
    assert "request.args" not in "".join(path.read_text() for path in Path(views.__path__[0]).glob("*.py"))


def test_a_body_is_read_up_to_the_size_that_the_document_names(api: Api) -> None:
    token = api.booted(RUN_A)
    checked = 0
    for path, calls in api.ok("GET", "/openapi.json")["paths"].items():
        address = path.removeprefix("/api/v1").format_map(NAMES)
        for method, call in calls.items():
            if "requestBody" not in call or path.split("/")[3] in BY_CERTIFICATE:
                continue
            (most,) = map(int, re.findall(r"At most (\d+) bytes", call["requestBody"]["description"]))
            (kind,) = call["requestBody"]["content"]
            bearer = token if path.rpartition("}/")[2] in {"heartbeat", "report", "artifacts/{name}"} else TOKEN
            bearer = token if "/artifacts/" in path else bearer
            for size, is_too_large in ((most, False), (most + 1, True)):
                answer = api.call(method, address, token=bearer, data=b" " * size, headers={"Content-Type": kind})
                assert (answer.status_code == 413) is is_too_large, (method, path, size, answer.text)
            checked += 1
    assert checked >= 14
