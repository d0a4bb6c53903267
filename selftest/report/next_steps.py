"""The end of the report on a terminal: the posture in words, whether it is ready for production, and what is next."""

from collections.abc import Iterator

from selftest.report.checklist import flip_command, wanted_flags
from selftest.report.command import selftest_command
from selftest.report.readiness import blockers, not_run, posture, readiness_line
from selftest.report.results import Results
from selftest.report.text import fitting, labelled

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
