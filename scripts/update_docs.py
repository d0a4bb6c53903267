"""Writes what the documents take from the code: ``python -m scripts.update_docs``. A test fails when one is stale.

The block of a table is between two comments that name it: ``<!-- generated: NAME -->`` and ``<!-- end -->``.
"""

import re
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from bringup.failure_reasons import EXPLANATIONS
from bringup.settings import generated
from selftest.report import document

ROOT = Path(__file__).parents[1]


def summary() -> str:
    """The failure reasons, one row each."""
    rows = ((f"`{reason}`", text.meaning, text.look) for reason, text in EXPLANATIONS.items())
    return _table(("reason", "meaning", "look at"), rows)


def causes() -> str:
    """The failure reasons, one row for each way to them."""
    rows = (
        ("" if number else f"`{reason}`", cause.happened, cause.look)
        for reason, text in EXPLANATIONS.items()
        for number, cause in enumerate(text.causes)
    )
    return _table(("reason", "what happened", "look at"), rows)


# Files that are made whole.
FILES: Mapping[str, Callable[[], str]] = {
    "docs/settings.md": generated.page,
    ".env.example": generated.example,
    "docs/selftest.schema.json": document.schema,
}
# The page of each block, the name of the block in it, and its content.
BLOCKS: Mapping[str, tuple[str, Callable[[], str]]] = {
    "docs/running.md": ("failure reasons", summary),
    "docs/redfish.md": ("causes of failures", causes),
}


def updated(page: str, text: str) -> str:
    """The text of a page with its block as the code has it now.

    Raises:
        ValueError: the page has no such block, or more than one.
    """
    name, content = BLOCKS[page]
    start, end = f"<!-- generated: {name} -->\n", "<!-- end -->"
    block = re.compile(f"{re.escape(start)}.*?{re.escape(end)}", re.DOTALL)
    if len(block.findall(text)) != 1:
        raise ValueError(f"{page} must hold one block from {start.strip()} to {end}")
    return block.sub(lambda _: f"{start}{content()}{end}", text)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = (head, ("---",) * len(head), *rows)
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines).replace("|  |", "| |").replace("| --- ", "|---")


def main() -> int:
    """Write every file that differs; print its name."""
    made = {path: content() for path, content in FILES.items()}
    made |= {page: updated(page, (ROOT / page).read_text()) for page in BLOCKS}
    for path, text in made.items():
        if not (ROOT / path).exists() or (ROOT / path).read_text() != text:
            (ROOT / path).write_text(text)
            sys.stdout.write(f"{path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
