"""--watch: rounds until Ctrl-C, the last one's results, and what is shown of each."""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest
from rich.console import Console
from rich.live import Live

from bringup_cli.commands.selftest_watch import Screen, WatchLines, watch
from pki.check import Finding, fail, ok
from selftest.case import Case, CaseResult
from selftest.protocol_probe import Detected, Protocol
from selftest.report import Results
from selftest.target_installation import TargetInstallation
from tests.conftest import MakeSettings

GOOD, BAD = ok("fine"), fail("bad", "repair it")


@pytest.fixture
def results_of(make_settings: MakeSettings) -> Callable[..., Results]:
    target = TargetInstallation(make_settings())
    target.redis.detected = target.api.detected = Detected(Protocol.PLAIN, "+PONG")

    def make(*findings: Finding) -> Results:
        cases = (Case(f"1{name}", f"Title {name}", lambda _: GOOD, group="1") for name in "abcdef")
        return Results(target, [CaseResult(case, found, 0.1) for case, found in zip(cases, findings, strict=False)])

    return make


@dataclass
class Recorded:
    """A view that keeps what it is given."""

    shown: list[tuple[Results, Sequence[CaseResult]]] = field(default_factory=list)
    counted: list[int] = field(default_factory=list)

    def progress(self, done: int) -> None:
        self.counted.append(done)

    def show(self, results: Results, before: Sequence[CaseResult]) -> None:
        self.shown.append((results, before))


def _watched(rounds: list[Results], view: Recorded, *, ends_in: str) -> Results | None:
    """Ctrl-C comes while the last round runs, or while it waits for a next one."""
    left = list(rounds)

    def run_round(report: Callable[[CaseResult], None]) -> Results:
        if not left:
            raise KeyboardInterrupt
        for outcome in left[0].outcomes:
            report(outcome)
        return left.pop(0)

    def sleep(_seconds: float) -> None:
        if ends_in == "wait" and not left:
            raise KeyboardInterrupt

    return watch(run_round, view, 10, sleep)


@pytest.mark.parametrize("ends_in", ["wait", "round"])
def test_ctrl_c_ends_it_with_the_last_round_that_ended(results_of: Callable[..., Results], ends_in: str) -> None:
    first, second, view = results_of(GOOD, GOOD), results_of(BAD, GOOD), Recorded()
    assert _watched([first, second], view, ends_in=ends_in) is second
    assert view.shown == [(first, ()), (second, first.outcomes)]
    assert view.counted == [1, 2, 1, 2]


def test_ctrl_c_while_a_round_is_shown_ends_it_with_that_round(results_of: Callable[..., Results]) -> None:
    class Impatient(Recorded):
        def show(self, results: Results, before: Sequence[CaseResult]) -> None:
            super().show(results, before)
            if before:
                raise KeyboardInterrupt

    second = results_of(BAD, GOOD)
    assert _watched([results_of(GOOD, GOOD), second], Impatient(), ends_in="show") is second


def test_ctrl_c_in_the_first_round_leaves_no_result() -> None:
    assert _watched([], Recorded(), ends_in="round") is None


def test_lines_are_the_first_round_and_then_what_changed(
    results_of: Callable[..., Results], capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = results_of(GOOD, GOOD), results_of(BAD, GOOD)
    lines = WatchLines()
    lines.show(first, ())
    assert len(capsys.readouterr().out.splitlines()) == 3
    lines.show(first, first.outcomes)
    assert capsys.readouterr().out == ""
    lines.show(second, first.outcomes)
    changed, verdict = capsys.readouterr().out.splitlines()
    assert changed.startswith("* FAIL  1a")
    assert changed.endswith("(was ok)")
    assert "FAILED: 1 ok, 1 fail" in verdict


def test_a_screen_marks_what_changed_since_the_round_before(results_of: Callable[..., Results]) -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=80, height=40)
    first, second = results_of(GOOD, GOOD), results_of(BAD, GOOD)
    with Live(console=console, auto_refresh=False) as live:
        screen = Screen(live, 10, total=2)
        screen.show(first, ())
        assert "(was" not in console.file.getvalue()  # type: ignore[attr-defined]
        screen.progress(1)
        screen.show(second, first.outcomes)
    written = console.file.getvalue()  # type: ignore[attr-defined]
    assert "running: 1 of 2 checks" in written
    assert "(was ok)" in written
