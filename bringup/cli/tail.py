"""``bringup tail``."""

import click

from bringup.cli.context import Context
from dhcp_tailer.service import run
from dhcp_tailer.stop import stop_on_signals


@click.command()
@click.option(
    "--from-start/--from-end",
    default=True,
    show_default=True,
    help="Where to begin in a file that was never followed before.",
)
@click.option("--once", is_flag=True, help="Stop at the end of the file.")
@click.pass_obj
def tail(context: Context, *, from_start: bool, once: bool) -> None:
    """Follow the DHCP server's file (DHCP_PATH) and put every new lease on the queue, exactly once."""
    settings = context.settings
    with stop_on_signals() as stop:
        run(settings, stop, from_end=not from_start, once=once)
