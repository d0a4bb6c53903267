"""The whole report: for programs as a versioned JSON document (docs/selftest.schema.json), for people as Markdown."""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from bringup import __version__, model
from pki.check import Status
from selftest.case import CaseResult, SelfTestResult
from selftest.report import calendar, certificates, checklist, costs, defence, emergencies, secret_files
from selftest.report.costs import Cost
from selftest.report.markup import inline, table
from selftest.report.results import Results, blockers, counts, posture, posture_table, readiness_line, summary

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


def configuration_as_markdown(problems: Iterable[str]) -> str:
    """The report where the configuration cannot be used, so that nothing was tested.

    Args:
        problems: of the configuration.
    """
    lines = [
        "# Connection test results",
        "",
        f"**{SelfTestResult.COULD_NOT_RUN}**: the configuration is not usable. Nothing was tested.",
        "",
        *(f"- {problem}" for problem in problems),
    ]
    return "\n".join(lines) + "\n"


def as_markdown(results: Results) -> str:
    """The report that people keep with their records."""
    lines = [
        "# Connection test results",
        "",
        *_summary(results),
        *posture_table(results.outcomes),
        *checklist.section(results),
        *_results(results.outcomes),
        *certificates.section(results.target),
        *secret_files.section(results.target),
        *defence.section(results.outcomes),
        *costs.section(results.costs),
        *calendar.section(results),
        *emergencies.section(results),
    ]
    return "\n".join(lines) + "\n"


def _summary(results: Results) -> list[str]:
    target, settings = results.target, results.target.settings
    return [
        f"Made by `bringup selftest` {__version__} at {target.now():%Y-%m-%d %H:%M:%S} UTC.",
        "",
        "## Summary",
        "",
        f"**{results.verdict}**: {summary(results.outcomes)}.",
        "",
        f"**{inline(readiness_line(results))}**",
        "",
        *(f"- {inline(sentence)}" for sentence in posture(results)),
        *table(
            ("setting", "value"),
            (
                ("ENVIRONMENT", settings.environment),
                ("REDIS_USE_TLS", str(settings.redis_use_tls).lower()),
                ("API_USE_TLS", str(settings.api_use_tls).lower()),
                ("API_REQUIRE_CLIENT_CERT", str(settings.api_require_client_cert).lower()),
                ("Redis", f"{target.redis.address[0]}:{target.redis.address[1]}"),
                ("API", settings.api_url),
            ),
        ),
    ]


def _results(outcomes: Iterable[CaseResult]) -> list[str]:
    """Each numbered test, in the order of the numbers: they run in another one."""
    groups: dict[str, list[CaseResult]] = {}
    for outcome in outcomes:
        groups.setdefault(outcome.case.group, []).append(outcome)
    head = ("check", "result", "observed")
    ordered = sorted(groups.items(), key=lambda one: int(one[0].partition(" ")[0]))
    return [line for group, found in ordered for line in ("", f"## {group}", *table(head, map(_row, found)))]


def _row(outcome: CaseResult) -> tuple[str, str, str]:
    observed = outcome.finding.message
    if outcome.finding.status is Status.FAIL and outcome.finding.expected:
        observed += f" (expected: {outcome.finding.expected})"
    return f"{outcome.case.id} {outcome.case.title}", outcome.finding.status.value, observed
