"""The report that people keep with their records. All of it is computed."""

from collections.abc import Iterable

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from bringup import __version__
from pki.check import Status
from pki.errors import PkiError
from pki.names import san_text, sans_of
from selftest.case import CaseResult
from selftest.report.results import Results, summary
from selftest.target_installation import TargetInstallation

_COLUMNS = ("identity", "names", "purpose", "key, signature", "valid until", "serial")
_PURPOSE = {ExtendedKeyUsageOID.SERVER_AUTH: "serverAuth", ExtendedKeyUsageOID.CLIENT_AUTH: "clientAuth"}


def as_markdown(results: Results) -> str:
    """The report that people keep with their records."""
    target, outcomes = results.target, results.outcomes
    lines = [
        "# Connection test results",
        "",
        *_summary(results),
        *_results(outcomes),
        *_certificates(target),
        *_posture(outcomes),
        *_next_steps(outcomes),
    ]
    return "\n".join(lines) + "\n"


def _summary(results: Results) -> list[str]:
    target, settings = results.target, results.target.settings
    return [
        f"Made by `bringup selftest` {__version__} at {target.now():%Y-%m-%d %H:%M:%S} UTC.",
        "",
        f"**{results.verdict}**: {summary(results.outcomes)}.",
        "",
        "| setting | value |",
        "|---|---|",
        f"| ENVIRONMENT | {settings.environment} |",
        f"| REDIS_USE_TLS | {str(settings.redis_use_tls).lower()} |",
        f"| API_USE_TLS | {str(settings.api_use_tls).lower()} |",
        f"| API_REQUIRE_CLIENT_CERT | {str(settings.api_require_client_cert).lower()} |",
        f"| Redis | {target.redis.address[0]}:{target.redis.address[1]} |",
        f"| API | {settings.api_url} |",
    ]


def _results(outcomes: Iterable[CaseResult]) -> list[str]:
    lines: list[str] = []
    group = ""
    for outcome in outcomes:
        if outcome.case.group != group:
            group = outcome.case.group
            lines += ["", f"## {group}", "", "| check | result | observed |", "|---|---|---|"]
        observed = outcome.finding.message
        if outcome.finding.status is Status.FAIL and outcome.finding.expected:
            observed += f" (expected: {outcome.finding.expected})"
        lines.append(f"| {outcome.case.id} {outcome.case.title} | {outcome.finding.status.value} | {_cell(observed)} |")
    return lines


def _certificates(target: TargetInstallation) -> list[str]:
    store = target.store
    lines = ["", "## Certificates", "", f"| {' | '.join(_COLUMNS)} |", "|---" * len(_COLUMNS) + "|"]
    try:
        found = [(one, store.certificate(one)) for one in store.identities()]
    except PkiError as error:
        return [*lines, f"| {_cell(str(error))} | | | |"]
    for identity, certificate in found:
        if certificate is not None:
            lines.append(f"| {' | '.join(map(_cell, (str(identity), *_attributes(certificate))))} |")
    return lines if found else [*lines[:-2], "None here."]


def _attributes(certificate: x509.Certificate) -> tuple[str, ...]:
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    key, hashed = certificate.public_key(), certificate.signature_hash_algorithm
    return (
        ", ".join(map(san_text, sans_of(certificate))),
        ", ".join(_PURPOSE.get(oid, oid.dotted_string) for oid in usage),
        f"{getattr(getattr(key, 'curve', key), 'name', type(key).__name__)}, {hashed.name if hashed else 'no hash'}",
        f"{certificate.not_valid_after_utc:%Y-%m-%d}",
        f"{certificate.serial_number:x}",
    )


def _posture(outcomes: Iterable[CaseResult]) -> list[str]:
    by_id = {outcome.case.id: outcome.finding.status.value for outcome in outcomes}
    rows = (
        ("Redis asks for a password", "1a"),
        ("Redis speaks mutual TLS", "2b"),
        ("Redis refuses plain text", "7.redis.plain-text"),
        ("Redis refuses clients without certificate", "7.redis.no-certificate"),
        ("The API speaks HTTPS", "3b"),
        ("The API refuses plain text", "7.api.plain-text"),
        ("The API refuses clients without certificate", "7.api.no-certificate"),
        ("Certificates are in order", "6"),
    )
    lines = ["", "## Posture", "", "| what | shown by | result |", "|---|---|---|"]
    return lines + [f"| {what} | {check} | {by_id.get(check, 'not run')} |" for what, check in rows]


def _next_steps(outcomes: Iterable[CaseResult]) -> list[str]:
    wanted = [
        outcome
        for outcome in outcomes
        if outcome.finding.hint and outcome.finding.status not in {Status.OK, Status.INFO}
    ]
    lines = ["", "## Next steps", ""]
    if not wanted:
        return [*lines, "None."]
    return lines + [f"- {one.case.id} ({one.finding.status.value}): {one.finding.hint}" for one in wanted]


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
