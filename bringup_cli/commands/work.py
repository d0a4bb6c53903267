"""``bringup work``: do jobs until told to stop."""

import signal

import click

from bringup_cli.context import Context
from workers.runner import Runner


@click.command()
@click.pass_obj
def work(context: Context) -> None:
    """Do the jobs on the queues: tell the API of leases, boot machines, clean up after runs."""
    runner = Runner(context.settings)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: runner.stop())
    runner.run()
