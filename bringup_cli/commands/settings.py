"""``bringup config``, ``bringup init`` and ``bringup inventory``: the files that an operator writes."""

from pathlib import Path

import click
from pydantic import SecretStr

from bringup.errors import InventoryError
from bringup.inventory import Inventory
from bringup.settings import generated, variables
from bringup_cli.context import Context, Output, output_option, print_json, print_line, print_table
from bringup_cli.exit_status import EXIT_USAGE

MASK = "********"


@click.command()
@output_option
@click.pass_obj
def config(context: Context, output: Output) -> None:
    """Show the effective settings and where each came from; secrets are masked."""
    loaded = context.loaded
    rows = [(name, _shown(loaded.settings.effective(name.lower())), loaded.origins[name]) for name in variables()]
    if output == "json":
        print_json({name: {"value": value, "origin": origin} for name, value, origin in rows})
    else:
        print_table("Effective settings", ("Variable", "Value", "From"), rows)


@click.command()
@click.pass_obj
def init(context: Context) -> None:
    """Write a .env (mode 0600) with a random Redis password and API token; never overwrite one."""
    named = [context.env_file] if isinstance(context.env_file, Path) else context.env_file
    if len(named) > 1:
        raise click.UsageError("name one --env-file: it is written")
    path = named[0] if named else Path(".env")
    generated.write_new(path)
    click.echo(f"{path} written (mode 0600) with new secrets: {', '.join(generated.FRESH_SECRETS)}.")
    click.echo("Next: `bringup redis-conf` and start Redis with what it writes, then look at `bringup config`.")


def _shown(value: object) -> str:
    if isinstance(value, SecretStr):
        return MASK
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return "" if value is None else str(value)


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
