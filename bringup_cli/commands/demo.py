"""``bringup demo``: the whole chain on this computer, shown and checked in a minute."""

import shutil
import signal
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import click
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from bringup.wire.run import Run
from bringup_cli.commands.runs import seconds_of
from bringup_cli.demo import console as page
from bringup_cli.demo import flip, play, scenario
from bringup_cli.demo.stack import Stack

_STYLE = {"passed": "green", "degraded": "yellow", "failed": "red", "timed_out": "red", "audited": "dim"}


@click.command()
@click.option("--tls", is_flag=True, help="The same over mutual TLS on every connection.")
@click.option(
    "--flip", "flips", is_flag=True, help="Instead: self-test in development mode, flip the flags, self-test again."
)
@click.option(
    "--report", type=click.Path(dir_okay=False, path_type=Path), help="With --flip: write both reports to this file."
)
@click.option(
    "--console", "with_console", is_flag=True, help="Serve the operator's page, too, and keep all running until Ctrl-C."
)
@click.option("--keep", is_flag=True, help="Keep the folder with settings, data and logs afterwards.")
@click.pass_context
def demo(
    context: click.Context, *, tls: bool, flips: bool, report: Path | None, with_console: bool, keep: bool
) -> None:
    """Show the whole chain at work: a real DHCP log, real services, a SIMULATED fleet.

    Needs redis-server; touches nothing outside of a temporary folder and loopback ports.
    """
    if report and not flips:
        raise click.UsageError("--report needs --flip")
    if with_console and flips:
        raise click.UsageError("--console shows the demonstration, and --flip runs two self-tests instead: use one")
    for number in (signal.SIGTERM, signal.SIGHUP):  # a closed terminal must end the whole stack, too
        signal.signal(number, lambda given, _frame: sys.exit(128 + given))
    folder = Path(tempfile.mkdtemp(prefix="bringup-demo-"))
    console = Console()
    try:
        if flips:
            good = _flip(folder, console, report)
        else:
            good = _show(folder, console, use_tls=tls, with_console=with_console)
    finally:
        if keep:
            console.print(f"Settings, data and logs are in {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    if not good:
        context.exit(1)


def _flip(folder: Path, console: Console, report: Path | None) -> bool:
    """Whether both self-tests passed, after both were shown."""
    phases = flip.flip(folder, lambda line: console.print(line, style="bold", highlight=False))
    for phase in phases:
        console.rule(phase.title)
        console.print(phase.output, highlight=False, markup=False, soft_wrap=True)
    if report:
        report.write_text(flip.as_markdown(phases, f"bringup demo --flip --report {report}"), encoding="utf-8")
    good = all(phase.passed for phase in phases)
    before, after = ("passed" if phase.passed else "failed" for phase in phases)
    failed = f"[red]One of the two self-tests failed: before = {before}, after = {after}.[/red]"
    console.print("[green]Both passed.[/green]" if good else failed)
    return good


def _show(folder: Path, console: Console, *, use_tls: bool, with_console: bool) -> bool:
    """Whether each run came to its expected end, after the whole chain was shown."""
    with play.running(folder, lambda line: console.print(line, highlight=False), use_tls=use_tls) as stack:
        sign_in = _start_console(stack, console) if with_console else None
        good = _print_result(_play(stack, console), console)
        if sign_in:
            _print_sign_in(sign_in, console)
            _wait(stack, console)
    return good


def _start_console(stack: Stack, console: Console) -> page.SignIn:
    """The page, before any machine is on it. A person at a terminal says when the machines may come."""
    sign_in = page.start(stack)
    _print_sign_in(sign_in, console)
    if console.is_terminal and sys.stdin.isatty():
        click.pause("Sign in, then press any key here: the first machines ask for an address ...")
    return sign_in


def _print_sign_in(sign_in: page.SignIn, console: Console) -> None:
    for line in sign_in.lines():
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def _wait(stack: Stack, console: Console) -> None:
    """Return when a person presses Ctrl-C."""
    console.print("Everything keeps running, also what you start on the page. Ctrl-C ends it.")
    with suppress(KeyboardInterrupt):
        page.keep_running(stack)


def _print_result(runs: dict[str, Run], console: Console) -> bool:
    """Whether each run came to its expected end."""
    if not console.is_terminal:
        console = Console(width=max(console.width, 160))
    console.print(_table(runs))
    wrong = [machine.name for machine in scenario.MACHINES if not play.as_expected(machine, runs.get(machine.name))]
    if wrong:
        console.print(f"[red]Not as expected:[/red] {', '.join(wrong)}. Look at the logs with --keep.")
        return False
    console.print(f"[green]All {len(scenario.MACHINES)} machines came to the end that their fault asks for.[/green]")
    return True


def _play(stack: Stack, console: Console) -> dict[str, Run]:
    if not console.is_terminal:
        return play.play(stack, _Lines(console), lambda line: console.print(line, highlight=False))
    with Live(_table({}), console=console, refresh_per_second=4) as live:
        return play.play(stack, lambda runs: live.update(_table(runs)), live.console.print)


class _Lines:
    """Prints one line for each change of a run, where there is no terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._seen: dict[str, str] = {}

    def __call__(self, runs: dict[str, Run]) -> None:
        for name, run in runs.items():
            if self._seen.get(name) != run.state:
                self._seen[name] = run.state
                self._console.print(f"  {name}: {run.state}", highlight=False, markup=False)


def _table(runs: dict[str, Run]) -> Table:
    table = Table(title="Real DHCP log, real services, SIMULATED machines", title_justify="left")
    for column in ("Device", "Simulated fault", "Run", "Verdict", "Seconds", "Why", "As expected"):
        table.add_column(column, overflow="fold")
    for machine in scenario.MACHINES:
        run = runs.get(machine.name)
        table.add_row(
            machine.name,
            machine.fault.value,
            *(_cells(run) if run else ("", "no lease yet", "", "")),
            _mark(machine, run),
        )
    return table


def _cells(run: Run) -> tuple[str, Text, str, Text]:
    why = f"{run.reason}: {run.detail}" if run.reason else run.detail
    return run.run_id, Text(run.state, _STYLE.get(run.state, "")), seconds_of(run), Text(why)


def _mark(machine: scenario.DemoMachine, run: Run | None) -> str:
    if run is None or run.closed_at is None:
        return "..."
    return "[green]yes[/green]" if play.as_expected(machine, run) else f"[red]no[/red]: {machine.ends}"
