"""What every report is made from: one run of the self-test, how to run it again, and what is missing to production."""

import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pki.check import Status
from selftest.case import CaseResult, SelfTestResult, verdict
from selftest.checks import CATALOG
from selftest.report import secret_files
from selftest.report.certificates import validities
from selftest.report.costs import Cost
from selftest.report.markup import table
from selftest.target_installation import TargetInstallation, TlsServer


@dataclass(frozen=True)
class Results:
    """One run of the self-test.

    Args:
        target: what was examined.
        outcomes: of each check that was run, in order.
        redis_lines: of the ``redis.conf`` for these settings with TLS.
        costs: of TLS on this host, where they were measured.
    """

    target: TargetInstallation
    outcomes: Sequence[CaseResult]
    redis_lines: tuple[str, ...] = ()
    costs: tuple[Cost, ...] = ()

    @property
    def verdict(self) -> SelfTestResult:
        """The result of the whole."""
        return verdict(self.target, self.outcomes)


def counts(outcomes: Iterable[CaseResult]) -> dict[Status, int]:
    """How many checks ended in which way."""
    found = Counter(outcome.finding.status for outcome in outcomes)
    return {status: found[status] for status in Status}


def summary(outcomes: Iterable[CaseResult]) -> str:
    """How many checks ended in which way, as text."""
    return ", ".join(f"{count} {status}" for status, count in counts(outcomes).items() if count)


_DEFAULT_FILES = (Path(".env"), Path("redis/worker.env"))  # those of `bringup init` and `bringup redis-conf`


def selftest_command(target: TargetInstallation, options: str = "") -> str:
    """The command line. Settings from the environment alone are named as the files that our commands write."""
    files = target.env_files or _DEFAULT_FILES
    variable = "" if files == (Path(".env"),) else f"BRINGUP_ENV_FILE={shlex.quote(':'.join(map(str, files)))} "
    return f"{variable}bringup selftest {options}".strip()


_UNPROVEN = {Status.FAIL: "failed", Status.WARN: "warned", Status.SKIP: "did not run"}
_ON_ANOTHER_HOST = "run it on "  # so begins the hint of a check that another host can make
# By these our own client is seen to get in, by TLS; with it comes the prefix of what must be refused.
_REDIS, _API = (("1b", "2b"), "7.redis."), (("3b",), "7.api.")
_POSTURE = (
    ("Redis asks for a password", "1a"),
    ("Redis speaks mutual TLS", "2b"),
    ("Redis refuses plain text", "7.redis.plain-text"),
    ("Redis refuses clients without certificate", "7.redis.no-certificate"),
    ("The API speaks HTTPS", "3b"),
    ("The API refuses plain text", "7.api.plain-text"),
    ("The API refuses clients without certificate", "7.api.no-certificate"),
    ("Certificates are in order", "6"),
)
_FLAGS = ("redis_use_tls", "api_use_tls")


def readiness_line(results: Results) -> str:
    """The answer on one line."""
    found = list(blockers(results))
    answer = f"no, because {'; '.join(found)}" if found else "yes, by every check that this host can make"
    others = ", ".join(one.case.id for one in elsewhere(results.outcomes))
    return f"Ready for production: {answer}{f'; {others}: to be asked on other hosts' if others else ''}."


def blockers(results: Results) -> Iterator[str]:
    """What is between this installation and production, the settings first; nothing: it is ready."""
    settings = results.target.settings
    if settings.environment != "production":
        yield f"ENVIRONMENT={settings.environment}"
    yield from (f"{flag.upper()}=false" for flag in _FLAGS if not getattr(settings, flag))
    others = elsewhere(results.outcomes)
    here = [one for one in results.outcomes if not one.because and one not in others]
    for status, word in _UNPROVEN.items():
        ids = [one.case.id for one in here if one.finding.status is status]
        if ids:
            yield f"{', '.join(ids)} {word}"
    if waiting := [one.case.id for one in results.outcomes if one.because]:
        yield f"{len(waiting)} more wait for these"
    weak = [name for name, how, _ in secret_files.strengths(results.target) if how == secret_files.WEAK]
    if weak:
        yield f"{', '.join(weak)}: weak"
    if missing := not_run(results):
        yield f"{len(missing)} checks were not asked for ({', '.join(missing)})"


def not_run(results: Results) -> Sequence[str]:
    """The checks that this host can make and this run did not: those that --only or --pre left out."""
    run = {one.case.id for one in results.outcomes}
    return [case.id for case in CATALOG if case.concerns(results.target.settings.roles) and case.id not in run]


def elsewhere(outcomes: Iterable[CaseResult]) -> list[CaseResult]:
    """The checks that did not run here and are not required here, and that another host can make."""
    skipped = (one for one in outcomes if one.finding.status is Status.SKIP and not one.because)
    return [one for one in skipped if one.finding.hint.startswith(_ON_ANOTHER_HOST)]


def posture(results: Results) -> Iterator[str]:
    """What is in force, a sentence for each subject."""
    yield _server_posture(results.target.redis, _of(results, _REDIS[0]), _below(results, _REDIS[1]))
    yield _server_posture(results.target.api, _of(results, _API[0]), _below(results, _API[1]))
    now = results.target.now()
    if lives := validities(results.target):
        first, due = lives[0], min(lives, key=lambda one: one.due)
        yield (
            f"Certificates: the first end is on {first.end:%Y-%m-%d}, in {first.days_left(now)} days ({first.name}); "
            f"the next renewal is from {due.due:%Y-%m-%d} on ({due.name})."
        )
    else:
        yield "Certificates: there are none on this host."


def posture_table(outcomes: Sequence[CaseResult]) -> list[str]:
    """The checks that matter most, each with its result."""
    by_id = {outcome.case.id: outcome.finding.status.value for outcome in outcomes}
    rows = ((what, check, by_id.get(check, "not run")) for what, check in _POSTURE)
    return ["", "## Posture", *table(("what", "shown by", "result"), rows)]


def _server_posture(server: TlsServer, ours: Sequence[CaseResult], refusals: Sequence[CaseResult]) -> str:
    name = server.name[0].upper() + server.name[1:]
    if not server.use_tls:
        return (
            f"{name}: plain text ({server.flag}=false). Everyone on the way can read and change what is sent, "
            "passwords and tokens included. For development on one host only."
        )
    asked = [*ours, *refusals]
    wrong = [one for one in asked if one.finding.status in _UNPROVEN and one not in elsewhere(asked)]
    if wrong:
        shown = ", ".join(one.case.id for one in wrong)
        return f"{name}: mutual TLS is required ({server.flag}=true) and NOT proven: see {shown}."
    if not refusals:
        return f"{name}: mutual TLS is required ({server.flag}=true); what it refuses was not asked in this run."
    seen = sum(one.finding.status is Status.OK for one in refusals)
    accepted = "our own connection was accepted" if ours else "our own connection was not asked for"
    return (
        f"{name}: mutual TLS ({server.flag}=true); {accepted}, and {seen} of {len(refusals)} checks saw a refusal "
        "of what must be refused" + (" (the others have no case here)." if seen < len(refusals) else ".")
    )


def _of(results: Results, ids: Sequence[str]) -> list[CaseResult]:
    return [one for one in results.outcomes if one.case.id in ids]


def _below(results: Results, prefix: str) -> list[CaseResult]:
    return [one for one in results.outcomes if one.case.id.startswith(prefix)]
