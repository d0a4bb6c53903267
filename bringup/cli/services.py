"""The commands that run a service until it is told to stop."""

import signal

import click

from api.server import restart_cooperative, serve, serve_images
from bringup.cli.context import Context
from workers.runner import Runner


@click.command()
@click.option("--accept-redis", is_flag=True, help="Answer for what Redis holds now, after it had lost its data.")
@click.pass_obj
def api(context: Context, *, accept_redis: bool) -> None:
    """Serve the callback API."""
    restart_cooperative()
    serve(context.settings, accept_redis=accept_redis)


@click.command()
@click.pass_obj
def images(context: Context) -> None:
    """Serve the validation images on IMAGE_PORT, to BMCs that have no certificate."""
    restart_cooperative()
    serve_images(context.settings)


@click.command()
@click.pass_obj
def work(context: Context) -> None:
    """Do the jobs on the queues: tell the API of leases, boot machines, clean up after runs."""
    runner = Runner(context.settings)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: runner.stop())
    runner.run()
