"""``bringup api`` and ``bringup images``: serve until told to stop."""

from importlib import import_module

import click

from api.server.cooperative import restart_cooperative
from bringup_cli.context import Context

# Imported after the process was replaced: to import it before, too, would make every start a second longer.
_SERVER = "api.server.server"


@click.command()
@click.option("--accept-redis", is_flag=True, help="Answer for what Redis holds now, after it had lost its data.")
@click.pass_obj
def api(context: Context, *, accept_redis: bool) -> None:
    """Serve the callback API."""
    restart_cooperative()
    import_module(_SERVER).serve(context.settings, accept_redis=accept_redis)


@click.command()
@click.pass_obj
def images(context: Context) -> None:
    """Serve the validation images on IMAGE_PORT, to BMCs that have no certificate."""
    restart_cooperative()
    import_module(_SERVER).serve_images(context.settings)
