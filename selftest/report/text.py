"""The report on a terminal: one result at a time, in lines that fit; what failed with what to do next."""

import textwrap
from collections.abc import Iterator

from rich.text import Text

from bringup.text import printable
from pki.check import Status
from selftest.case import CaseResult
from selftest.report.results import Results, summary

STYLE = {
    Status.OK: "green",
    Status.INFO: "dim",
    Status.WARN: "yellow",
    Status.FAIL: "bold red",
    Status.SKIP: "magenta",
}
_INDENT = " " * 6
_LABEL_CHARS = 10  # "expected: "
# With these a hint begins that is a command.
_PROGRAMS = frozenset(
    [
        "apt-get",
        "bringup",
        "chmod",
        "chown",
        "chronyc",
        "cp",
        "date",
        "git",
        "kill",
        "openssl",
        "redis-cli",
        "redis-server",
        "sed",
        "systemctl",
    ]
)
# Columns of an id where lines are not wrapped: the longest ids fit, and titles are one below the other.
_ID_CHARS = 24


def as_text(outcome: CaseResult, width: int | None = None) -> Text:
    """One result; where it is not as it must be, what was expected, the likely cause and what to do.

    Args:
        outcome: of one check.
        width: columns of the terminal; None: a pipe or a file, where each fact is one line.
    """
    mark = Text(f"{outcome.finding.status.value.upper():5} ", style=STYLE[outcome.finding.status])
    lines = _wide(outcome) if width is None else _wrapped(outcome, width)
    return mark + Text("\n".join(lines))


def as_line(outcome: CaseResult, width: int | None = None) -> Text:
    """One result without what to do: the end of the report has that, the causes first.

    Args:
        outcome: of one check.
        width: as in `as_text`.
    """
    mark = Text(f"{outcome.finding.status.value.upper():5} ", style=STYLE[outcome.finding.status])
    head = f"{outcome.case.id:{_ID_CHARS}}" if width is None else f"{outcome.case.id}  "
    text = f"{head}{outcome.case.title}: {printable(outcome.finding.message)}"
    return mark + Text("\n".join([text] if width is None else fitting(text, width, first=len(_INDENT))))


def verdict_as_text(results: Results) -> str:
    """The last line: the verdict, and how many checks ended in which way."""
    return f"{results.verdict}: {summary(results.outcomes)}"


def _wide(outcome: CaseResult) -> Iterator[str]:
    yield f"{outcome.case.id:{_ID_CHARS}}{outcome.case.title}: {printable(outcome.finding.message)}"
    for label, text in _explanation(outcome):
        yield f"{_INDENT}{label}: {text}"


def _wrapped(outcome: CaseResult, width: int) -> Iterator[str]:
    good = outcome.finding.status in {Status.OK, Status.INFO}
    head = f"{outcome.case.id}  {outcome.case.title}"
    message = printable(outcome.finding.message)
    yield from fitting(f"{head}: {message}" if good else head, width, first=len(_INDENT))
    for label, text in () if good else (("seen", message), *_explanation(outcome)):
        # A command is not wrapped: the terminal does it, and what is copied from there has no line break in it.
        yield from labelled(label, text, None if label == "fix" and is_command(text) else width)


def labelled(label: str, text: str, width: int | None, *, indent: str = _INDENT) -> list[str]:
    """The lines of one fact about a result.

    Args:
        label: before the first line; empty: the fact belongs to the one before.
        text: the fact.
        width: as in `as_text`.
        indent: before the label.
    """
    start = f"{indent}{f'{label}:' if label else '':{_LABEL_CHARS}}"
    lines = fitting(text, width, first=len(start), indent=len(start)) if width else [text]
    return [f"{start}{lines[0]}", *lines[1:]]


def is_command(hint: str) -> bool:
    """Whether a hint is a command, to be copied as it is; else it is a sentence."""
    return hint.partition(" ")[0] in _PROGRAMS


def _explanation(outcome: CaseResult) -> Iterator[tuple[str, str]]:
    finding = outcome.finding
    if finding.status not in {Status.OK, Status.INFO}:
        for label, text in (("expected", finding.expected), ("cause", finding.cause), ("fix", finding.hint)):
            if text:
                yield label, printable(text)


def fitting(text: str, width: int, *, first: int = 0, indent: int = len(_INDENT)) -> list[str]:
    """The lines of a text, broken between words.

    Args:
        text: on one line.
        width: columns of the terminal.
        first: columns that are taken in the first line.
        indent: columns before each other line.
    """
    whole = " " * first + text
    lines = textwrap.wrap(whole, width, subsequent_indent=" " * indent, break_on_hyphens=False)
    return [lines[0][first:], *lines[1:]] if lines else [""]
