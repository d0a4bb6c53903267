"""``bringup api`` and ``bringup images``: serve until told to stop."""

import os
import sys
from importlib import import_module

import click
from gevent import monkey

from bringup_cli.context import Context

# Imported after the process was replaced: to import it before, too, would make every start a second longer.
_SERVER = "api.server.server"


@click.command()
@click.option("--accept-redis", is_flag=True, help="Answer for what Redis holds now, after it had lost its data.")
@click.pass_obj
def api(context: Context, *, accept_redis: bool) -> None:
    """Serve the callback API."""
    _restart_under_gevent()
    import_module(_SERVER).serve(context.settings, accept_redis=accept_redis)


@click.command()
@click.pass_obj
def images(context: Context) -> None:
    """Serve the validation images on IMAGE_PORT, to BMCs that have no certificate."""
    _restart_under_gevent()
    import_module(_SERVER).serve_images(context.settings)


def _restart_under_gevent() -> None:
    """Run this command again in a process where every wait is gevent's; return where that is so already.

    The patch must come before redis, requests and ssl are imported, and must never reach another command.
    """
    if not monkey.is_module_patched("socket"):
        command = [sys.executable, "-m", "gevent.monkey", "--module", "bringup", *sys.argv[1:]]
        os.execv(sys.executable, command)  # noqa: S606 - our own interpreter, with the arguments that it was given
