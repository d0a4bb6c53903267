"""``bringup selftest --watch``: the self-test again and again, on one screen or as a sequence of lines."""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol

import click
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from bringup.model import utc_now
from selftest.case import CaseResult
from selftest.report import Results, verdict_as_text
from selftest.report.repairs import as_change, as_screen, changes
from selftest.report.text import as_line

# Runs the self-test once; calls back with each result as it comes.
Round = Callable[[Callable[[CaseResult], None]], Results]


class WatchView(Protocol):
    """Where the rounds are shown."""

    def progress(self, done: int) -> None:
        """So many checks of the present round have been made."""

    def show(self, results: Results, before: Sequence[CaseResult]) -> None:
        """A round is over; ``before``: the results of the one before it."""


def watch(
    run_round: Round, view: WatchView, every_s: float, sleep: Callable[[float], None] = time.sleep
) -> Results | None:
    """Run rounds until Ctrl-C; the results of the last one that ended, None where none did.

    Args:
        run_round: one self-test.
        view: shows each round.
        every_s: seconds between the end of a round and the next one.
        sleep: waits.
    """
    last: Results | None = None
    with suppress(KeyboardInterrupt):
        while True:
            done: list[CaseResult] = []

            def count(outcome: CaseResult, done: list[CaseResult] = done) -> None:
                done.append(outcome)
                view.progress(len(done))

            results = run_round(count)
            # Before it is shown: a person who presses Ctrl-C at what they see gets the exit status of just that.
            before, last = last, results
            view.show(results, before.outcomes if before else ())
            sleep(every_s)
    return last


def watch_on(console: Console, run_round: Round, every_s: float, total: int) -> Results | None:
    """As `watch`: on a terminal one screen that is written anew, else lines.

    Args:
        console: where to.
        run_round: one self-test.
        every_s: seconds between the end of a round and the next one.
        total: how many checks a round has.
    """
    if not console.is_terminal:
        return watch(run_round, WatchLines(), every_s)
    with Live(console=console, auto_refresh=False) as live:
        return watch(run_round, Screen(live, every_s, total), every_s)


class Screen:
    """The last round, written anew each time.

    Args:
        live: the part of the terminal that is written anew.
        every_s: seconds between two rounds, for its last line.
        total: how many checks a round has.
    """

    def __init__(self, live: Live, every_s: float, total: int) -> None:
        self._live, self._every_s, self._total = live, every_s, total
        self._last = Text("")

    def progress(self, done: int) -> None:
        """Show how far the present round is, below the last one."""
        self._update(f"running: {done} of {self._total} checks; Ctrl-C ends")

    def show(self, results: Results, before: Sequence[CaseResult]) -> None:
        """Show a round, with what changed in it marked."""
        changed = changes(before, results.outcomes) if before else {}
        self._last = as_screen(results, changed, self._live.console.width)
        self._update(f"{utc_now():%H:%M:%S} UTC; again in {self._every_s:g} s; Ctrl-C ends")

    def _update(self, status: str) -> None:
        self._live.update(Group(self._last, Text(status, style="dim")), refresh=True)


class WatchLines:
    """The first round whole, then a line for each change: for a log."""

    def progress(self, done: int) -> None:
        """Nothing: a log has no use for it."""

    def show(self, results: Results, before: Sequence[CaseResult]) -> None:
        """Print the round, or what changed in it; nothing where nothing changed."""
        changed = changes(before, results.outcomes)
        if before and not changed:
            return
        for one in results.outcomes:
            if not before:
                click.echo(as_line(one).plain)
            elif one.case.id in changed:
                click.echo(as_change(one, changed[one.case.id]).plain)
        click.echo(f"{utc_now():%Y-%m-%dT%H:%M:%SZ} {verdict_as_text(results)}")
