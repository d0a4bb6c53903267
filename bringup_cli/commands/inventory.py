"""``bringup inventory``: the file of machines, looked at before anything runs with it."""

from pathlib import Path

import click

from bringup.errors import InventoryError
from bringup.inventory import Inventory
from bringup_cli.context import EXIT_USAGE, Context
from bringup_cli.output import Output, output_option, print_json, print_line


@click.group()
def inventory() -> None:
    """Look at the inventory, the file DEVICES_FILE."""


@inventory.command()
@click.argument("file", required=False, type=click.Path(dir_okay=False, path_type=Path))
@output_option
@click.pass_context
def check(context: click.Context, file: Path | None, output: Output) -> None:
    """Name everything that is wrong in FILE (default: DEVICES_FILE), with its line and field. Exits with 2 then."""
    given: Context = context.obj
    path = file or given.settings_for().devices_file
    machines, problems = 0, tuple[str, ...]()
    try:
        machines = len(Inventory.read(path).by_name)
    except InventoryError as error:
        problems = error.problems
    if output == "json":
        print_json({"file": path, "ok": not problems, "machines": machines, "problems": problems})
    else:
        for line in problems or (f"{path}: {machines} machines, nothing is wrong",):
            print_line(line)
    if problems:
        context.exit(EXIT_USAGE)
