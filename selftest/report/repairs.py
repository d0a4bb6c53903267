"""The end of the report on a terminal: what to repair, the causes first; whether it is ready; and what is next."""

from collections.abc import Iterable, Iterator, Sequence

from rich.text import Text

from pki.check import Status
from selftest.case import CaseResult
from selftest.report.checklist import flip_command, wanted_flags
from selftest.report.readiness import blockers, not_run, posture, readiness_line
from selftest.report.results import Results, selftest_command
from selftest.report.text import as_text, fitting, labelled
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
        yield "", "then start Redis, the API, workers and tailer anew, and run the self-test again.", False
    elif any(True for _ in blockers(results)):
        yield "Next", "repair what is listed above, then run the self-test again.", False
    else:
        yield "Next", "keep the report of this run with your records:", False
        yield "", selftest_command(results.target, _REPORT), True
