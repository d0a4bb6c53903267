"""``bringup api``, ``images``, ``work`` and ``console``: serve until the process gets a signal to stop."""

import signal
from importlib import import_module

import click

from bringup.settings.rules import Use
from bringup_cli.context import Context

# Imported when a command runs, not with this module: each service would load the other's libraries.
_SERVER, _RUNNER, _CONSOLE = "api.server", "workers.runner", "console.server"
_share_port = click.option(
    "--share-port",
    is_flag=True,
    help="Another one of the same user may listen there, too: an upgrade starts the new one before the old one ends.",
)


@click.command()
@click.option(
    "--accept-redis",
    is_flag=True,
    # For a service unit: `systemctl set-environment` hands it to one start.
    envvar="ACCEPT_REDIS",
    help="Accept what Redis holds now, after it has lost data.",
)
@_share_port
@click.pass_obj
def api(context: Context, *, accept_redis: bool, share_port: bool) -> None:
    """Serve the callback API."""
    settings = context.settings_for(Use.REDIS, Use.CALLBACKS)
    import_module(_SERVER).serve(settings, accept_redis=accept_redis, share_port=share_port)


@click.command()
@_share_port
@click.pass_obj
def images(context: Context, *, share_port: bool) -> None:
    """Serve the validation images on IMAGE_PORT, to BMCs, which have no certificate."""
    import_module(_SERVER).serve_images(context.settings_for(Use.REDIS, Use.IMAGES), share_port=share_port)


@click.command()
@click.pass_obj
def work(context: Context) -> None:
    """Do the jobs on the queues: report leases to the API, boot machines, clean up after runs."""
    runner = import_module(_RUNNER).Runner(context.settings_for(Use.REDIS, Use.API))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: runner.stop())
    runner.run()


@click.command()
@click.pass_obj
def console(context: Context) -> None:
    """Serve the operator's page on CONSOLE_PORT: every machine a line, every event a dot."""
    import_module(_CONSOLE).serve(context.settings_for(Use.CONSOLE))
