"""The end of the report on a terminal: what to repair, the causes first, what is next, and what has changed."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from rich.text import Text

from pki.check import Status
from selftest.case import CaseResult
from selftest.report.checklist import flip_command, wanted_flags
from selftest.report.results import Results, blockers, not_run, posture, readiness_line, selftest_command
from selftest.report.text import STYLE, as_line, as_text, fitting, labelled, verdict_as_text
from selftest.roots import CLOCKS

# A clock comes before the certificates that it makes look wrong, and those before the connections that need them.
_FIRST = (CLOCKS, "4", "5a", "6")


def repairs_as_text(outcomes: Sequence[CaseResult], width: int | None = None) -> Text:
    """What failed and what is not as production needs it, in the order in which to repair it; empty: nothing.

    Args:
        outcomes: of all checks that were run.
        width: columns of the terminal; None: a pipe or a file, where each fact is one line.
    """
    parts = (
        ("What to repair, in this order; then run the self-test again:", sorted(_roots(outcomes), key=_rank)),
        ("What works, and is not what production needs:", [o for o in outcomes if o.finding.status is Status.WARN]),
    )
    lines = []
    for title, chosen in parts:
        if chosen:
            lines += [Text(f"\n{title}"), *_numbered(chosen, outcomes, width)]
    return Text("\n").join(lines) + Text("\n") if lines else Text("")


def _roots(outcomes: Iterable[CaseResult]) -> Iterator[CaseResult]:
    return (outcome for outcome in outcomes if outcome.is_root)


def _rank(outcome: CaseResult) -> int:
    return _FIRST.index(outcome.case.id) if outcome.case.id in _FIRST else len(_FIRST)


def _numbered(chosen: Iterable[CaseResult], outcomes: Sequence[CaseResult], width: int | None) -> Iterator[Text]:
    for number, outcome in enumerate(chosen, 1):
        mark = f"{number}. "
        # As wide as what follows the number, so that the lines below the first one are indented alike.
        yield Text(f"\n{mark}") + as_text(outcome, width - len(mark) if width else None)
        followers = [one for one in outcomes if one.because == outcome.case.id]
        for label, found in (
            ("so fail", [one.case.id for one in followers if one.has_failed]),
            ("not run", [one.case.id for one in followers if not one.has_failed]),
        ):
            if found:
                yield Text("\n".join(labelled(label, ", ".join(found), width)))


_REPORT = "--report selftest.md"
_AFTER_THE_FLAGS = ("bringup pki setup", "bringup redis-conf --force")


def next_as_text(results: Results, width: int | None = None) -> list[str]:
    """The lines; none where only some of the checks were asked for.

    Args:
        width: columns of the terminal; None: a pipe or a file, where each fact is one line.
    """
    if not_run(results):
        return []
    sentences = [*posture(results), readiness_line(results)]
    lines = [line for text in sentences for line in (fitting(text, width) if width else [text])]
    for label, text, is_command in _next(results):
        lines += labelled(label, text, None if is_command else width, indent="")
    return ["", *lines, ""]


def _next(results: Results) -> Iterator[tuple[str, str, bool]]:
    """What to do: a label, a text, and whether the text is a command."""
    wanted = wanted_flags(results)
    if wanted:
        flags = ", ".join(f"{name}={value}" for name, value in wanted.items())
        yield "Next", f"for production set {flags}; then make certificates and the configuration of Redis:", False
        for command in (flip_command(results), *_AFTER_THE_FLAGS):
            yield "", command, True
        yield "", "then restart Redis, the API, workers and tailer, and run the self-test again.", False
    elif any(True for _ in blockers(results)):
        yield "Next", "repair what is listed above, then run the self-test again.", False
    else:
        yield "Next", "keep the report of this run with your records:", False
        yield "", selftest_command(results.target, _REPORT), True


_GOOD = {Status.OK, Status.INFO}
NEW = "new"


def changes(before: Iterable[CaseResult], now: Iterable[CaseResult]) -> Mapping[str, str]:
    """For each check that changed its status what it was; also where another thing is wrong with it than before.

    A good check whose message differs has not changed: clocks and days left are different each time.
    """
    old = {one.case.id: one.finding for one in before}
    found = {}
    for one in now:
        was = old.get(one.case.id)
        if (
            was is None
            or was.status is not one.finding.status
            or (one.finding.status not in _GOOD and was.message != one.finding.message)
        ):
            found[one.case.id] = was.status.value if was else NEW
    return found


def as_change(outcome: CaseResult, was: str, width: int | None = None) -> Text:
    """A check that changed, marked, with what it was before.

    Args:
        outcome: as it is now.
        was: as `changes` has it.
        width: columns of the terminal; None: a pipe or a file.
    """
    return Text("* ", style="bold") + as_line(outcome, width - 2 if width else None) + Text(f" (was {was})", "bold")


def as_screen(results: Results, changed: Mapping[str, str], width: int) -> Text:
    """One round: what changed, what is not as it must be, and the rest by its ids, so that it fits on a screen.

    Args:
        results: of this round.
        changed: since the round before, as `changes` has it.
        width: columns of the terminal.
    """
    good = [one for one in results.outcomes if one.finding.status in _GOOD]
    parts = [Text(line) for line in fitting(verdict_as_text(results), width)]
    parts += [as_change(one, changed[one.case.id], width) for one in results.outcomes if one.case.id in changed]
    parts += _by_ids(good, width)
    return Text("\n").join([*parts, repairs_as_text(results.outcomes, width)])


def _by_ids(outcomes: Sequence[CaseResult], width: int) -> list[Text]:
    lines = []
    for status in (Status.OK, Status.INFO):
        if ids := ", ".join(one.case.id for one in outcomes if one.finding.status is status):
            mark = f"{status.value.upper():5} "
            lines.append(Text(mark, STYLE[status]) + Text("\n".join(fitting(ids, width, first=len(mark)))))
    return lines
