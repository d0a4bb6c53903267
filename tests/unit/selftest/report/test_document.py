"""The report for programs follows its schema, which is versioned."""

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from pki.check import fail, skip
from selftest.report import Results, as_json
from selftest.report.costs import Cost
from selftest.report.document import SCHEMA_VERSION
from tests.unit.selftest.report.conftest import MakeResults

SCHEMA = json.loads((Path(__file__).parents[4] / "docs/selftest.schema.json").read_text())


def _document(results: Results) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(json.dumps(as_json(results)))
    return made


def test_the_schema_is_of_the_dialect_that_it_names() -> None:
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    jsonschema_rs.meta.validate(SCHEMA)


def test_every_document_follows_it(make_results: MakeResults) -> None:
    failed = make_results([("1a", fail("down", "start it")), ("2b", skip("not run"))], because={"2b": "1a"})
    costs = (Cost(what="a call", plain_ms=0.1, tls_ms=0.2), Cost(what="real", plain_ms=None, tls_ms=1.0))
    for results in (make_results(), failed, Results(failed.target, failed.outcomes, costs=costs)):
        jsonschema_rs.validate(SCHEMA, _document(results))


@pytest.mark.parametrize(
    ("name", "value"),
    [("schema_version", SCHEMA_VERSION + 1), ("verdict", "GREAT"), ("results", None), ("passed", "no")],
)
def test_what_is_no_such_document_does_not_follow_it(make_results: MakeResults, name: str, value: object) -> None:
    with pytest.raises(jsonschema_rs.ValidationError):
        jsonschema_rs.validate(SCHEMA, _document(make_results()) | {name: value})


def test_every_field_is_required_so_that_a_program_can_rely_on_it(make_results: MakeResults) -> None:
    assert set(SCHEMA["required"]) == set(_document(make_results()))
    assert set(SCHEMA["$defs"]["ReportedResult"]["required"]) == set(_document(make_results())["results"][0])


def test_it_has_the_readiness_and_its_reasons(make_results: MakeResults) -> None:
    assert _document(make_results())["ready_for_production"] is True
    document = _document(make_results(redis_use_tls=False))
    assert (document["ready_for_production"], document["blockers"]) == (False, ["REDIS_USE_TLS=false"])
