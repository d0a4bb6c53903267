"""The commands that run a service until it is told to stop."""

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from bringup.cli.root import Context


@click.command()
@click.pass_obj
def api(context: "Context") -> None:
    """Serve the callback API."""
    from api.server import serve

    serve(context.settings)
