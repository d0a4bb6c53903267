"""``bringup tail``."""

from collections import Counter
from pathlib import Path

import click

from bringup_cli.commands.tail_output import show_line, show_row_table
from bringup_cli.context import Context
from bringup_cli.output import Output, output_option, show_json, show_table
from dhcp_tailer.accounting import Outcome
from dhcp_tailer.dry_run import dry_run, sums
from dhcp_tailer.filters import Filters
from dhcp_tailer.retry import stop_on_signals
from dhcp_tailer.sources import PARSERS
from dhcp_tailer.status import status_of
from dhcp_tailer.tailer import run


@click.command()
@click.option(
    "--from-start/--from-end",
    default=True,
    show_default=True,
    help="Where to begin in a file that was never followed before.",
)
@click.option("--once", is_flag=True, help="Stop at the end of the file.")
@click.option(
    "--dry-run",
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Read FILE and show what would become of it; queue nothing, remember nothing.",
)
@click.option("--source", type=click.Choice(list(PARSERS)), help="What FILE holds; default is DHCP_SOURCE.")
@click.option("--status", is_flag=True, help="Show how far the tailer is and what became of the records.")
@output_option
@click.pass_obj
def tail(
    context: Context,
    *,
    from_start: bool,
    once: bool,
    file: Path | None,
    source: str | None,
    status: bool,
    output: Output,
) -> None:
    """Follow the DHCP server's file (DHCP_PATH) and put every new lease on the queue, exactly once."""
    if source and not file:
        raise click.UsageError("--source belongs to --dry-run; to follow a file, set DHCP_SOURCE")
    if file:
        _dry_run(context, file, source, output)
    elif status:
        _status(context, output)
    else:
        with stop_on_signals() as stop:
            run(context.settings, stop, from_end=not from_start, once=once)


def _dry_run(context: Context, file: Path, source: str | None, output: Output) -> None:
    settings = context.settings
    outcomes: Counter[Outcome] = Counter()
    shown = []
    for one in dry_run(file, PARSERS[source or settings.dhcp_source](), Filters.of(settings)):
        outcomes[one.outcome] += 1
        if one.outcome is Outcome.NOT_A_LEASE:
            continue
        if output == "json":
            show_line(one)
        else:
            shown.append(one)
    if output == "table":
        show_row_table(f"{file}", shown)
    click.echo(sums(outcomes), err=True)


def _status(context: Context, output: Output) -> None:
    found = status_of(context.settings)
    if output == "json":
        show_json(found.model_dump(mode="json"))
        return
    rows = [
        (name.replace("_", " "), value) for name, value in found.model_dump(mode="json").items() if name != "counts"
    ]
    show_table("Tailer", ("What", "Value"), rows)
    show_table("Records", ("Outcome", "Number"), list(found.counts.items()))
