"""The report for programs: a versioned JSON document. docs/selftest.schema.json is its schema."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from bringup import __version__, model
from pki.check import Status
from selftest.case import CaseResult, SelfTestResult
from selftest.report.costs import Cost
from selftest.report.readiness import blockers
from selftest.report.results import Results, counts

# Counted up when a field is removed, renamed or means something else; not when one is added.
SCHEMA_VERSION: Literal[1] = 1
_DIALECT = "https://json-schema.org/draft/2020-12/schema"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class ReportedResult(_Part):
    """One check."""

    id: str = Field(description="as people call it: 1a, 7.redis.no-certificate")
    test: str = Field(description="the numbered test that it belongs to")
    title: str
    status: Status = Field(description="skip: it did not run; a check that a setting requires fails then")
    observed: str
    expected: str = Field(description="what should have been observed; empty where observed shows it")
    cause: str = Field(description="the likely cause; may be empty")
    hint: str = Field(description="the command or step that corrects it; may be empty")
    because: str = Field(description="the failed check that explains this one: no repair of its own; else empty")
    seconds: float = Field(ge=0)


class Document(_Part):
    """One run of `bringup selftest --output json`."""

    schema_version: Literal[1] = Field(description="counted up when a field is removed or changes its meaning")
    version: str = Field(description="of bringup")
    at: datetime = Field(description="when the report was made")
    environment: str | None = Field(description="this and the flags: null where the configuration cannot be used")
    redis_use_tls: bool | None
    api_use_tls: bool | None
    verdict: SelfTestResult
    passed: bool
    summary: dict[Status, int] = Field(description="how many checks ended in which way")
    ready_for_production: bool
    blockers: tuple[str, ...] = Field(description="what is between it and production; none: it is ready")
    costs: tuple[Cost, ...] = Field(description="of TLS on this host; measured with --measure only")
    problems: tuple[str, ...] = Field(description="of the configuration, where it cannot be used: exit status 2")
    results: tuple[ReportedResult, ...] = Field(description="one for each check that was run, in order")


def as_json(results: Results) -> dict[str, Any]:
    """The document for programs: what was tested, the verdict, each result."""
    settings, found = results.target.settings, tuple(blockers(results))
    document = Document(
        schema_version=SCHEMA_VERSION,
        version=__version__,
        at=results.target.now().replace(microsecond=0),
        environment=settings.environment,
        redis_use_tls=settings.redis_use_tls,
        api_use_tls=settings.api_use_tls,
        verdict=results.verdict,
        passed=results.verdict is SelfTestResult.PASSED,
        summary=counts(results.outcomes),
        ready_for_production=not found,
        blockers=found,
        costs=results.costs,
        problems=(),
        results=tuple(map(_result, results.outcomes)),
    )
    return document.model_dump(mode="json")


def configuration_as_json(problems: Sequence[str]) -> dict[str, Any]:
    """The document where the configuration cannot be used, so that nothing was tested.

    Args:
        problems: of the configuration.
    """
    document = Document(
        schema_version=SCHEMA_VERSION,
        version=__version__,
        at=model.utc_now().replace(microsecond=0),
        environment=None,
        redis_use_tls=None,
        api_use_tls=None,
        verdict=SelfTestResult.COULD_NOT_RUN,
        passed=False,
        summary=counts(()),
        ready_for_production=False,
        blockers=tuple(problems),
        costs=(),
        problems=tuple(problems),
        results=(),
    )
    return document.model_dump(mode="json")


def schema() -> str:
    """The text of docs/selftest.schema.json: JSON Schema, draft 2020-12."""
    made = {"$schema": _DIALECT, **Document.model_json_schema(mode="serialization")}
    return json.dumps(made, indent=2) + "\n"


def _result(outcome: CaseResult) -> ReportedResult:
    case, finding = outcome.case, outcome.finding
    return ReportedResult(
        id=case.id,
        test=case.group,
        title=case.title,
        status=finding.status,
        observed=finding.message,
        expected=finding.expected,
        cause=finding.cause,
        hint=finding.hint,
        because=outcome.because,
        seconds=round(outcome.seconds, 3),
    )
