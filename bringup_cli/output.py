"""How results are printed: tables for people, JSON for programs."""

import json
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import click
from pydantic import BaseModel
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bringup.text import printable

Output = Literal["table", "json"]
# Columns that people copy from: a terminal that is too narrow must not cut their values.
_NEVER_CUT = {"Run", "Variable"}
# Rows of a table that is drawn with lines and fitted to the terminal, at half a millisecond each. Longer ones are read
# by programs such as grep and less, and get columns alone.
_MOST_DRAWN = 500
# The width where the output is no terminal: a pipe or a log has none of its own, and a run id must not be cut there.
_LEAST_WIDTH = 160

output_option = click.option(
    "--output",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="table for people, json for programs.",
)


def print_line(text: str) -> None:
    """One line on standard output; what a device or a record chose in it cannot drive the terminal."""
    click.echo(printable(text))


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    click.echo(json.dumps(value, indent=2, default=str))


def print_model(found: BaseModel, output: Output = "json", line: str = "") -> None:
    """A reply of the API as JSON; for people ``line`` instead.

    Args:
        found: the reply.
        output: what ``--output`` was given.
        line: for people.
    """
    if output == "json":
        print_json(found.model_dump(mode="json"))
    else:
        print_line(line)


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table on standard output; device-chosen text is never read as markup.

    Args:
        title: above the table.
        columns: their headings.
        rows: a cell for each column; None is shown as empty.
    """
    cells = [["" if cell is None else printable(str(cell)) for cell in row] for row in rows]
    if len(cells) > _MOST_DRAWN:
        _print_columns(title, columns, cells)
        return
    table = Table(title=Text(title), title_justify="left", title_style="bold")
    for column in columns:
        table.add_column(Text(column), overflow="fold", no_wrap=column in _NEVER_CUT)
    for row in cells:
        table.add_row(*map(Text, row))
    console = Console()
    if not console.is_terminal:
        console = Console(width=max(_LEAST_WIDTH, console.measure(table).maximum))
    console.print(table)


def _print_columns(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Nothing is cut or folded: a line is one row, however narrow the terminal is."""
    widths = [max(map(cell_len, column)) for column in zip(columns, *rows, strict=True)]
    lines = (
        "  ".join(cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (columns, ["-" * width for width in widths], *rows)
    )
    click.echo("\n".join([title, *lines]))
