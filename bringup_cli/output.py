"""How results are printed: tables for people, JSON for programs."""

import json
from collections.abc import Iterable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal

import click

from bringup.text import printable

if TYPE_CHECKING:
    from pydantic import BaseModel

Output = Literal["table", "json"]
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


def print_json_line(value: Any) -> None:
    """One JSON document on one line, as programs read a stream of them."""
    click.echo(json.dumps(value, default=str))


def print_model(found: "BaseModel", output: Output = "json", line: str = "") -> None:
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
    # Imported here: what draws takes as long to import as a command that prints JSON takes to run.
    import_module("bringup_cli.tables").print_table(title, columns, cells)
