"""The root of the command line: where commands hang, and where errors become one clear message."""

import gc
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

import click
from pydantic import ValidationError

from bringup import __version__, errors
from bringup_cli.context import EXIT_FAILED, EXIT_USAGE, Context

_INTERRUPTED = 130  # 128 + SIGINT, as shells have it

# Where each command is: module, and its name there. A command imports what it needs, and nothing for the others:
# Flask, sushy and rq together take longer to import than most commands take to run.
COMMANDS = {
    "api": ("bringup_cli.commands.services", "api"),
    "audit": ("bringup_cli.commands.operators", "audit"),
    "bmc": ("bringup_cli.commands.bmc", "bmc"),
    "config": ("bringup_cli.commands.settings", "config"),
    "demo": ("bringup_cli.commands.demo", "demo"),
    "device": ("bringup_cli.commands.devices", "device"),
    "devices": ("bringup_cli.commands.devices", "devices"),
    "explain": ("bringup_cli.commands.devices", "explain"),
    "images": ("bringup_cli.commands.services", "images"),
    "init": ("bringup_cli.commands.settings", "init"),
    "inventory": ("bringup_cli.commands.settings", "inventory"),
    "operator": ("bringup_cli.commands.operators", "operator"),
    "pki": ("bringup_cli.commands.pki", "pki"),
    "queues": ("bringup_cli.commands.runs", "queues"),
    "redis-conf": ("bringup_cli.commands.redis_conf", "redis_conf"),
    "run": ("bringup_cli.commands.runs", "run"),
    "runs": ("bringup_cli.commands.runs", "runs"),
    "selftest": ("bringup_cli.commands.selftest", "selftest"),
    "site": ("bringup_cli.commands.site", "site"),
    "simulate": ("bringup_cli.commands.simulate", "simulate"),
    "tail": ("bringup_cli.commands.tail", "tail"),
    "work": ("bringup_cli.commands.services", "work"),
}


class _LazyGroup(click.Group):
    """A group that imports a command when it is called, and not before.

    Args:
        commands_at: module and attribute of each command, by its name on the command line.
    """

    def __init__(self, *args: Any, commands_at: Mapping[str, tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._commands_at = commands_at

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all commands; nothing is imported."""
        return sorted({*super().list_commands(ctx), *self._commands_at})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported now; None when there is none of this name."""
        place = self._commands_at.get(cmd_name)
        if place is None:
            return super().get_command(ctx, cmd_name)
        command: click.Command = getattr(import_module(place[0]), place[1])
        return command


@click.group(cls=_LazyGroup, commands_at=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="bringup")
@click.option(
    "--env-file",
    type=click.Path(dir_okay=False, path_type=Path),
    multiple=True,
    help="Read this file instead of .env in the working directory. Several: later ones win.",
)
@click.pass_context
def cli(context: click.Context, env_file: tuple[Path, ...]) -> None:
    """Turn a DHCP lease into a validated server."""
    context.obj = Context(env_file)


def main() -> None:
    """Run the command line; a user's mistake ends in one message and an exit code, never in a traceback."""
    try:
        run(sys.argv[1:])
    finally:
        # A process that ends looks for garbage once more in all that it holds, which is a quarter of the time of a
        # command, and half of the time in which the API stops. What is frozen is left to the operating system.
        gc.freeze()


def run(arguments: Sequence[str]) -> NoReturn:
    """Run the command line in a process that goes on: as `main`, which ends one. Raises SystemExit with the status."""
    try:
        # click hands the status of Context.exit back here instead of raising it.
        status = cli.main(list(arguments), standalone_mode=False)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(EXIT_FAILED)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(_INTERRUPTED)
    except click.ClickException as error:
        error.show()
        sys.exit(EXIT_USAGE)
    except (errors.BringupError, ValidationError, OSError) as error:
        click.echo(f"bringup: {_in_words(error)}", err=True)
        sys.exit(
            EXIT_USAGE
            if isinstance(error, errors.SettingsError | errors.InventoryError | ValidationError)
            else EXIT_FAILED
        )
    sys.exit(status if isinstance(status, int) else 0)


def _in_words(error: errors.BringupError | ValidationError | OSError) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_input=False, include_url=False)[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    if isinstance(error, OSError):
        return f"{error.filename or 'the output'}: {error.strerror or error}"
    return str(error)
