"""``bringup api`` and ``bringup images``: serve until told to stop."""

import click

from api.server import restart_cooperative, serve, serve_images
from bringup.cli.context import Context


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
