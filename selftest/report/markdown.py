"""The report that people keep with their records. All of it is computed from one run."""

from collections.abc import Iterable

from bringup import __version__
from pki.check import Status
from selftest.case import CaseResult, SelfTestResult
from selftest.report import calendar, certificates, checklist, costs, defence, emergencies, secret_files
from selftest.report.markup import inline, table
from selftest.report.readiness import posture, posture_table, readiness_line
from selftest.report.results import Results, summary


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
        *secret_files.section(results),
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
