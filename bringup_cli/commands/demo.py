"""``bringup demo``: the whole chain on this computer, shown and checked in a minute."""

import shutil
import signal
import sys
import tempfile
from pathlib import Path

import click
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from bringup.wire.run import Run
from bringup_cli.commands.runs import seconds_of
from bringup_cli.demo import flip, play, scenario

_STYLE = {"passed": "green", "degraded": "yellow", "failed": "red", "timed_out": "red", "audited": "dim"}


@click.command()
@click.option("--tls", is_flag=True, help="The same over mutual TLS on every connection.")
@click.option(
    "--flip", "flips", is_flag=True, help="Instead: self-test in development mode, flip the flags, self-test again."
)
@click.option(
    "--report", type=click.Path(dir_okay=False, path_type=Path), help="With --flip: write both reports to this file."
)
@click.option("--keep", is_flag=True, help="Keep the folder with settings, data and logs afterwards.")
@click.pass_context
def demo(context: click.Context, *, tls: bool, flips: bool, report: Path | None, keep: bool) -> None:
    """Show the whole chain at work: a real DHCP log, real services, a SIMULATED fleet.

    Needs redis-server; touches nothing outside of a temporary folder and loopback ports.
    """
    if report and not flips:
        raise click.UsageError("--report needs --flip")
    for number in (signal.SIGTERM, signal.SIGHUP):  # a closed terminal must end the whole stack, too
        signal.signal(number, lambda given, _frame: sys.exit(128 + given))
    folder = Path(tempfile.mkdtemp(prefix="bringup-demo-"))
    console = Console()
    try:
        good = _flip(folder, console, report) if flips else _show(folder, console, use_tls=tls)
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


def _show(folder: Path, console: Console, *, use_tls: bool) -> bool:
    """Whether each run came to its expected end, after the whole chain was shown."""
    runs = _play(folder, console, use_tls=use_tls)
    if not console.is_terminal:
        console = Console(width=max(console.width, 160))
    console.print(_table(runs))
    wrong = [machine.name for machine in scenario.MACHINES if not play.as_expected(machine, runs.get(machine.name))]
    if wrong:
        console.print(f"[red]Not as expected:[/red] {', '.join(wrong)}. Look at the logs with --keep.")
        return False
    console.print(f"[green]All {len(scenario.MACHINES)} machines came to the end that their fault asks for.[/green]")
    return True


def _play(folder: Path, console: Console, *, use_tls: bool) -> dict[str, Run]:
    if not console.is_terminal:
        return play.play(folder, _Lines(console), lambda line: console.print(line, highlight=False), use_tls=use_tls)
    with Live(_table({}), console=console, refresh_per_second=4) as live:
        return play.play(folder, lambda runs: live.update(_table(runs)), live.console.print, use_tls=use_tls)


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


def _mark(machine: scenario.Machine, run: Run | None) -> str:
    if run is None or run.closed_at is None:
        return "..."
    return "[green]yes[/green]" if play.as_expected(machine, run) else f"[red]no[/red]: {machine.ends}"
