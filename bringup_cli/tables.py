"""How a table is drawn on a terminal, in a pipe, and where it is too long to be drawn."""

from collections.abc import Sequence

import click
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

# Columns that people copy from: a terminal that is too narrow must not cut their values.
_NEVER_CUT = {"Run", "Variable"}
# Rows of a table that is drawn with lines and fitted to the terminal, at half a millisecond each. Longer ones are read
# by programs such as grep and less, and get columns alone.
_MOST_DRAWN = 500
# The width where the output is no terminal: a pipe or a log has none of its own, and a run id must not be cut there.
_LEAST_WIDTH = 160


def print_table(title: str, columns: Sequence[str], cells: Sequence[Sequence[str]]) -> None:
    """A table on standard output.

    Args:
        title: above the table.
        columns: their headings.
        cells: of each row, printable; they are never read as markup.
    """
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
