"""``bringup console``: serve the operator's page until the process gets a signal to stop."""

from importlib import import_module

import click

from bringup.settings.rules import Use
from bringup_cli.context import Context

# Imported when the command runs: other commands need neither Flask nor gunicorn.
_SERVER = "console.server"


@click.command()
@click.pass_obj
def console(context: Context) -> None:
    """Serve the operator's page on CONSOLE_PORT: every machine a line, every event a dot."""
    import_module(_SERVER).serve(context.settings_for(Use.CONSOLE))
