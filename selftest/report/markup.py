"""Markdown from text that others chose: a name in a certificate or an answer of a server stays text."""

import re
from collections.abc import Iterable, Sequence

from bringup.text import printable

# What would end a cell, begin a link, an image or HTML, or escape one of these. Source: CommonMark 0.31 s.2.4, s.6.
_ACTIVE = str.maketrans({"|": "\\|", "[": "\\[", "]": "\\]", "\\": "\\\\", "<": "&lt;", ">": "&gt;"})
_FENCE_CHARS = 3  # the least that begins a block of code


def inline(text: str) -> str:
    """The text on one line, which nothing in it can end, and none of which is a link or HTML."""
    return printable(" ".join(text.split())).translate(_ACTIVE)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A table; its cells are text, see `inline`."""
    lines = [f"| {' | '.join(map(inline, row))} |" for row in rows]
    return ["", f"| {' | '.join(head)} |", "|---" * len(head) + "|", *lines] if lines else ["", "None."]


def code(lines: Iterable[str], indent: str = "") -> list[str]:
    """Lines to be copied as they are, in a block that none of them can end.

    Args:
        lines: of a file or of a shell.
        indent: blanks before each, where the block belongs to an item of a list.
    """
    shown = [printable(line) for text in lines for line in text.splitlines()]
    longest = max((len(run) for line in shown for run in re.findall(r"`+", line)), default=0)
    fence = "`" * max(_FENCE_CHARS, longest + 1)
    return [f"{indent}{line}".rstrip() for line in (fence, *shown, fence)]
