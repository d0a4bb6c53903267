"""``bringup selftest``: prove what is really in force."""

import shutil
import socket
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import click
from rich.console import Console

from bringup import __version__, errors
from bringup.connections.api_client import ApiClient
from bringup.settings import Loaded, Settings
from bringup.settings.types import ROLES
from bringup.wire.services import SelfTestReport, SelfTestView
from bringup_cli.commands.selftest_watch import watch_on
from bringup_cli.context import Context, print_json, print_table
from bringup_cli.redis_configuration import redis_configuration
from selftest import report as reports
from selftest.case import Case, CaseResult, SelfTestResult
from selftest.checks import CATALOG
from selftest.report import Results
from selftest.runner import run
from selftest.target_installation import TargetInstallation

_EXIT = {SelfTestResult.PASSED: 0, SelfTestResult.FAILED: 1, SelfTestResult.COULD_NOT_RUN: 3}
_EVERY_S = 10.0  # between two rounds of --watch: a round takes a few seconds, and writes to Redis and the API's log
_TIMEOUT_S = 3.0  # of a single connection: a server of a site answers in milliseconds


@click.command()
@click.option("--pre", is_flag=True, help="Files and settings only: before anything runs.")
@click.option(
    "--only", multiple=True, metavar="ID", help="Only the checks whose id begins so: 3, 7.redis, 5b. Repeatable."
)
@click.option("--role", "roles", multiple=True, type=click.Choice(ROLES), help="Instead of HOST_ROLES. Repeatable.")
@click.option("--list", "list_only", is_flag=True, help="List the checks and run none.")
@click.option(
    "--timeout", default=_TIMEOUT_S, show_default=True, type=click.FloatRange(0.1, 10), help="Seconds a connection."
)
@click.option(
    "--report", type=click.Path(dir_okay=False, path_type=Path), help="Besides, write the Markdown report to this file."
)
@click.option("--measure", "measures", is_flag=True, help="Measure what TLS costs here; a Markdown report always does.")
@click.option(
    "--watch",
    "every_s",
    is_flag=False,
    flag_value=_EVERY_S,
    type=click.FloatRange(1, 3600),
    metavar="[SECONDS]",
    help=f"Again and again, with so many seconds between ({_EVERY_S:g}); Ctrl-C ends it with the last exit status.",
)
@click.option("--post", is_flag=True, help="Post the result to the API, for people and metrics: what the timer does.")
@click.option("--output", type=click.Choice(["text", "json", "markdown"]), default="text", show_default=True)
@click.pass_obj
def selftest(
    context: Context,
    *,
    pre: bool,
    only: tuple[str, ...],
    roles: tuple[str, ...],
    list_only: bool,
    timeout: float,
    report: Path | None,
    measures: bool,
    every_s: float | None,
    post: bool,
    output: str,
) -> None:
    """Prove what is really in force between us, Redis and the API.

    Exit status: 0 nothing failed, 1 something failed, 2 usage or configuration, 3 it could not run: neither Redis
    nor the API answers, so that no connection was tested.
    """
    if every_s and (list_only or report or measures or post or output != "text"):
        raise click.UsageError(
            "--watch shows text on the screen: it goes with --pre, --only, --role and --timeout alone"
        )
    loaded = _loaded(context, output, report)
    settings = loaded.settings.model_copy(update={"host_roles": ",".join(roles)} if roles else {})
    checks = _chosen(only, settings.roles, static_only=pre)
    if list_only:
        _list(checks, as_data=output == "json")
        return
    if every_s:
        _watch(lambda: _target(settings, timeout, loaded), checks, every_s)
    target = _target(settings, timeout, loaded)
    results = _examine(target, checks, _live if output == "text" else lambda _outcome: None)
    results = replace(results, redis_lines=_redis_lines(settings))
    if measures or report or output == "markdown":
        results = replace(results, costs=reports.measure(results.target))
    if output == "text":
        _show_repairs(results)
        for line in reports.costs_as_text(results.costs if measures else ()):
            click.echo(line)
        click.echo("".join(f"{line}\n" for line in reports.next_as_text(results, _width())), nl=False)
    _show(results, output)
    _publish(results, report, post=post)
    raise SystemExit(_EXIT[results.verdict])


def _publish(results: Results, report: Path | None, *, post: bool) -> None:
    if post:
        _post(results)
    if report:
        _write(report, reports.as_markdown(results))


def _post(results: Results) -> None:
    """Let the API have the result. Where it cannot, the exit status alone shows it."""
    roots = tuple(outcome.case.id for outcome in results.outcomes if outcome.is_root)
    report = SelfTestReport(
        host=socket.gethostname().partition(".")[0],
        passed=results.verdict is SelfTestResult.PASSED,
        verdict=results.verdict.value,
        failed=roots,
        version=__version__,
    )
    try:
        ApiClient(results.target.settings, results.target.contexts).post("/selftest", report, SelfTestView)
    except errors.BringupError as error:
        click.echo(f"the result was not posted: {error}", err=True)


def _target(settings: Settings, timeout_s: float, loaded: Loaded) -> TargetInstallation:
    return TargetInstallation(settings, timeout_s, origins=loaded.origins, env_files=loaded.env_files)


def _watch(make: Callable[[], TargetInstallation], checks: Sequence[Case], every_s: float) -> NoReturn:
    """Run rounds until Ctrl-C, each on what ``make`` returns; exit with the status of the last one."""
    console = Console(highlight=False)
    last = watch_on(console, lambda report: _examine(make(), checks, report), every_s, len(checks))
    if last is None:
        raise KeyboardInterrupt
    raise SystemExit(_EXIT[last.verdict])


def examine_host(loaded: Loaded, *, static_only: bool, running: bool = False) -> Results:
    """The self-test of what a host is by its HOST_ROLES, shown as it runs.

    Args:
        loaded: the settings of one of its services, and the files that they are from.
        static_only: files and settings alone, where the service that others connect to does not run yet.
        running: its services run already, and are asked.
    """
    target = _target(loaded.settings, _TIMEOUT_S, loaded)
    cases = _chosen((), loaded.settings.roles, static_only=static_only)
    results = _examine(target, [case for case in cases if running or not case.after_start], _live)
    _show_repairs(results)
    _show(results, "text")
    return results


def status_of(results: Results) -> int:
    """The exit status of a self-test."""
    return _EXIT[results.verdict]


def _loaded(context: Context, output: str, report: Path | None) -> Loaded:
    """The settings. A configuration that cannot be used is reported in the form that was asked for, too."""
    try:
        return context.loaded
    except errors.SettingsError as error:
        if report:
            _write(report, reports.configuration_as_markdown(error.problems))
        if output == "json":
            print_json(reports.configuration_as_json(error.problems))
        elif output == "markdown":
            click.echo(reports.configuration_as_markdown(error.problems), nl=False)
        raise


def _examine(target: TargetInstallation, checks: Sequence[Case], report: Callable[[CaseResult], None]) -> Results:
    try:
        return Results(target, run(target, checks, report))
    finally:
        target.close()


def _redis_lines(settings: Settings) -> tuple[str, ...]:
    """What `bringup redis-conf` writes with TLS, without comments; no line with a password is among it."""
    secured = settings.model_copy(update={"redis_use_tls": True, "redis_sentinels": ""})
    lines = redis_configuration(secured, Path("redis")).splitlines()
    return tuple(line for line in lines if not line.startswith("#"))


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise errors.SettingsError([f"--report: {path} cannot be written: {error.strerror}"]) from None


def _chosen(only: tuple[str, ...], roles: frozenset[str], *, static_only: bool) -> list[Case]:
    chosen = [check for check in CATALOG if check.concerns(roles) and (check.static or not static_only)]
    if not only:
        return chosen
    named = [check for check in chosen if any(check.id.startswith(prefix) for prefix in only)]
    if not named:
        raise errors.SettingsError([f"--only {', '.join(only)}: no check has such an id; --list shows them"])
    return named


def _list(checks: Sequence[Case], *, as_data: bool) -> None:
    if as_data:
        print_json([{"id": check.id, "test": check.group, "title": check.title} for check in checks])
    else:
        print_table("Checks", ("Id", "Test", "What"), [(check.id, check.group, check.title) for check in checks])


def _live(outcome: CaseResult) -> None:
    """One result as it comes. What follows from a failure is not shown by itself: the end of the report has it."""
    if not outcome.because:
        Console(highlight=False, soft_wrap=True).print(reports.as_line(outcome, _width()))


def _width() -> int | None:
    """Columns of the terminal; None: a file or a pipe, where each fact is one line, for grep."""
    return shutil.get_terminal_size((0, 0)).columns or None


def _show(results: Results, output: str) -> None:
    if output == "json":
        print_json(reports.as_json(results))
    elif output == "markdown":
        click.echo(reports.as_markdown(results), nl=False)
    else:
        click.echo(reports.verdict_as_text(results))


def _show_repairs(results: Results) -> None:
    if repairs := reports.repairs_as_text(results.outcomes, _width()):
        Console(highlight=False, soft_wrap=True).print(repairs)
