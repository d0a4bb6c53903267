"""What is left on the way to production: a list computed from this run, each open item with its exact lines.

An item is done when the settings and the checks that it names show it. What no check of this host can see is listed
apart, for a person to confirm; it is never counted as done.
"""

import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pki.check import Status
from selftest.case import CaseResult
from selftest.checks import CATALOG
from selftest.report import secret_files
from selftest.report.markup import code, inline
from selftest.report.results import Results, elsewhere, selftest_command
from selftest.report.text import is_command

_WANTED = {"ENVIRONMENT": "production", "REDIS_USE_TLS": "true", "API_USE_TLS": "true"}
_BAD = {Status.FAIL, Status.WARN, Status.SKIP}
_FLAGS_TITLE = "Both flags are on, in production"
_OF_SECRETS = ("host.files", "host.secrets", "host.git")
_ENV_FILE = ".env"
_NOT_A_FILE = {"environment", "default", "unknown"}
_COMMANDS = "commands"


@dataclass(frozen=True)
class FixLines:
    """What to write or run, exactly. ``where``: the file that the lines belong to, or that they are commands."""

    where: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Step:
    """One item.

    Args:
        shown_by: the beginnings of the ids of the checks that show it done.
        blocks: what to write or run.
        found: what this run has found that keeps it open; nothing: it is done.
        person: a person must confirm it, for no check can.
    """

    title: str
    shown_by: tuple[str, ...] = ()
    blocks: tuple[FixLines, ...] = ()
    found: tuple[str, ...] = ()
    person: bool = False


def steps(results: Results) -> list[Step]:
    """Every item in the order in which to do them."""
    judged = [_secrets(results), _flags(results), *_of_checks(results)]
    known = tuple(prefix for step in judged for prefix in step.shown_by)
    rest = [one for one in _bad(results.outcomes) if not one.case.id.startswith(known)]
    return [*judged, *map(_by_itself, rest), *_for_a_person(results)]


def section(results: Results) -> list[str]:
    """The section of the report."""
    lines = ["", "## Next steps: the way to production", "", "In this order; computed from this run.", ""]
    for number, step in enumerate(steps(results), 1):
        done = not step.found and not step.person
        seen = f" (shown by {', '.join(step.shown_by)})" if step.shown_by else ""
        lines.append(f"{number}. [{'x' if done else ' '}] {inline(step.title)}{seen}")
        if not done:
            lines += [f"   - {inline(found)}" for found in step.found]
            for block in step.blocks:
                lines += ["", f"   {inline(block.where)}:", *code(block.lines, indent="   ")]
    return lines


def flip_command(results: Results) -> str:
    """The command that sets the flags in the file of settings, whatever is in it now."""
    wanted = wanted_flags(results)
    path = shlex.quote(_file_of(results, next(iter(wanted), "")))
    removed = "; ".join(f"/^{name}=/d" for name in wanted)
    added = shlex.join(f"{name}={value}" for name, value in wanted.items())
    return f"sed -i '{removed}' {path} && printf '%s\\n' {added} >> {path}"


def _secrets(results: Results) -> Step:
    weak = [name for name, how, _ in secret_files.strengths(results.target) if how == secret_files.WEAK]
    exposed = [(path, fix) for path, _, fix in secret_files.files(results.target) if fix.startswith("YES: ")]
    commands = [_new_secret(results, name) for name in weak] + [fix.removeprefix("YES: ") for _, fix in exposed]
    found = [f"{name} is weak" for name in weak] + [f"{path} is open to others" for path, _ in exposed]
    found += map(_found, _bad([one for one in results.outcomes if one.case.id.startswith(_OF_SECRETS)]))
    title = "Passwords and tokens are strong, and only their owner can read the files with secrets"
    return Step(title, _OF_SECRETS, _commands(*commands), tuple(found))


def _new_secret(results: Results, name: str) -> str:
    path = shlex.quote(_file_of(results, name))
    return f"sed -i '/^{name}=/d' {path} && echo \"{name}=$(openssl rand -hex 32)\" >> {path}"


def _flags(results: Results) -> Step:
    wanted = wanted_flags(results)
    if not wanted:
        return Step(_FLAGS_TITLE)
    lines = tuple(f"{name}={value}" for name, value in wanted.items())
    found = [f"{name}={_value(results, name)}, and must be {value}" for name, value in wanted.items()]
    if by_environment := [name for name in wanted if results.target.origins.get(name) == "environment"]:
        found.append(f"{', '.join(by_environment)}: set in the environment of this process, which wins over any file")
    blocks = (FixLines(_file_of(results, next(iter(wanted))), lines), *_commands(flip_command(results)))
    return Step(_FLAGS_TITLE, blocks=blocks, found=tuple(found))


def wanted_flags(results: Results) -> dict[str, str]:
    """The variables that are not as production needs them, with the values that it needs."""
    wanted = {name: value for name, value in _WANTED.items() if _value(results, name) != value}
    url = results.target.settings.callback_api_url
    return wanted | ({"CALLBACK_API_URL": url.replace("http://", "https://")} if "http://" in url else {})


def _of_checks(results: Results) -> Iterator[Step]:
    """The steps that checks show done."""
    flags_are_on = not wanted_flags(results)
    for title, shown_by, blocks in (
        (
            "Certificates are made, valid and in order",
            ("4", "5a", "6"),
            _commands("bringup pki setup", "bringup selftest --pre"),
        ),
        (
            "Redis runs with the configuration of these settings (stop it before it is started again)",
            ("1", "2", "5b", "7.redis."),
            (
                FixLines("redis.conf, as the first command writes it", results.redis_lines),
                *_commands("bringup redis-conf --force", "redis-server redis/redis.conf --daemonize yes"),
            ),
        ),
        (
            "The API runs with these settings (and `bringup images`, where it serves them)",
            ("3", "5c", "7.api."),
            _commands("BRINGUP_ENV_FILE=.env:redis/api.env bringup api"),
        ),
        (
            "Workers and tailer run with these settings, each with the file of its role",
            ("chain.", "host.version"),
            _commands(
                "BRINGUP_ENV_FILE=.env:redis/worker.env bringup work",
                "BRINGUP_ENV_FILE=.env:redis/tailer.env bringup tail",
            ),
        ),
    ):
        if not any(case.id.startswith(shown_by) and case.concerns(results.target.settings.roles) for case in CATALOG):
            continue  # it is the business of other hosts
        asked = [one for one in results.outcomes if one.case.id.startswith(shown_by)]
        found = [*map(_found, _bad(asked)), *_waiting(asked)]
        if not found and not (asked and flags_are_on):
            found = ["to be done again after the flags are on" if asked else "not asked in this run"]
        yield Step(title, shown_by, blocks, tuple(found))


def _waiting(outcomes: Iterable[CaseResult]) -> Iterator[str]:
    """The consequences of other failures, one line for each cause."""
    causes: dict[str, list[str]] = {}
    for outcome in outcomes:
        if outcome.because:
            causes.setdefault(outcome.because, []).append(outcome.case.id)
    yield from (f"{', '.join(ids)}: because of {root}" for root, ids in causes.items())


def _by_itself(outcome: CaseResult) -> Step:
    hint = _commands(outcome.finding.hint) if is_command(outcome.finding.hint) else ()
    return Step(outcome.case.title, (outcome.case.id,), hint, (_found(outcome),))


def _for_a_person(results: Results) -> Iterator[Step]:
    """What no check of this host can see."""
    store, roles = results.target.store, results.target.settings.roles
    for one in elsewhere(results.outcomes):
        yield Step(f"{one.case.id} {one.case.title}: asked on another host. {one.finding.message}", person=True)
    if store.ca_key.exists():
        title = "The CA key is backed up, and is on no host that runs a service"
        yield Step(title, blocks=_commands(backup_command(store.root)), person=True)
    renew = "bringup site renew" if roles and not store.ca_key.exists() else "bringup pki renew"
    yield Step(
        "Timers run daily, and a person hears of an exit status that is not 0",
        blocks=_commands(renew, selftest_command(results.target, "--report selftest.md")),
        person=True,
    )
    yield Step("The append-only file of Redis is backed up: state is nowhere else", person=True)
    yield Step("A firewall lets only tailer, workers and API reach Redis", person=True)


def backup_command(pki: Path) -> str:
    """The command that keeps a copy of the PKI directory which only its owner can read."""
    return f"(umask 077; tar -czf pki-backup.tar.gz {shlex.join(['-C', str(pki.parent), pki.name])})"


def _commands(*lines: str) -> tuple[FixLines, ...]:
    return (FixLines(_COMMANDS, lines),) if lines else ()


def _found(outcome: CaseResult) -> str:
    seen, hint = outcome.finding.message, outcome.finding.hint
    return f"{outcome.case.id} ({outcome.finding.status}): {f'{hint} (seen: {seen})' if hint else seen}"


def _bad(outcomes: Sequence[CaseResult]) -> Sequence[CaseResult]:
    others = elsewhere(outcomes)
    return [one for one in outcomes if one.finding.status in _BAD and not one.because and one not in others]


def _value(results: Results, name: str) -> str:
    value = getattr(results.target.settings, name.lower())
    return str(value).lower() if isinstance(value, bool) else str(value)


def _file_of(results: Results, name: str) -> str:
    origin = results.target.origins.get(name, "default")
    return _ENV_FILE if origin in _NOT_A_FILE else origin
