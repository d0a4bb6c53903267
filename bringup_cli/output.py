"""How results are shown: tables for people, JSON for programs."""

import json
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bringup.text import printable

Output = Literal["table", "json"]
_NEVER_CUT = {"Run", "Variable"}  # people copy these

output_option = click.option(
    "--output",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="table for people, json for programs.",
)


def say(text: str) -> None:
    """One line on standard output; what a device or a record chose in it cannot drive the terminal."""
    click.echo(printable(text))


def show_json(value: Any) -> None:
    """One JSON document on standard output."""
    click.echo(json.dumps(value, indent=2, default=str))


def show_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table on standard output; device-chosen text is never read as markup."""
    table = Table(title=Text(title), title_justify="left", title_style="bold")
    for column in columns:
        table.add_column(Text(column), overflow="fold", no_wrap=column in _NEVER_CUT)
    for row in rows:
        table.add_row(*(Text("" if cell is None else printable(str(cell))) for cell in row))
    console = Console()
    if not console.is_terminal:
        # A pipe or a log has no width of its own: never cut a run id short there.
        console = Console(width=max(160, console.measure(table).maximum))
    console.print(table)
