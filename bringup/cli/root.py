"""The root of the command line: where commands hang, and where errors become one clear message."""

import sys
from pathlib import Path

import click
from pydantic import ValidationError

from bringup import __version__
from bringup.cli import demo, learn, pki, redis_conf, selftest, services, show, simulate, tail
from bringup.cli import settings as settings_commands
from bringup.cli.context import EXIT_FAILED, EXIT_USAGE, Context
from bringup.errors import BringupError, InventoryError, SettingsError

_INTERRUPTED = 130  # 128 + SIGINT, as shells have it


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="bringup")
@click.option(
    "--env-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Read this file instead of .env in the working directory.",
)
@click.pass_context
def cli(context: click.Context, env_file: Path | None) -> None:
    """Turn a DHCP lease into a validated server."""
    context.obj = Context(env_file)


cli.add_command(settings_commands.config)
cli.add_command(settings_commands.init)
cli.add_command(redis_conf.redis_conf)
cli.add_command(pki.pki)
cli.add_command(services.api)
cli.add_command(services.images)
cli.add_command(services.work)
cli.add_command(tail.tail)
cli.add_command(simulate.simulate)
cli.add_command(demo.demo)
cli.add_command(selftest.selftest)
show.device.add_command(learn.device_learn)
for command in (show.devices, show.device, show.runs, show.run, show.explain):
    cli.add_command(command)


def main() -> None:
    """Run the command line; a user's mistake ends in one message and an exit code, never in a traceback."""
    try:
        # click hands the status of Context.exit back here instead of raising it.
        status = cli.main(standalone_mode=False)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(EXIT_FAILED)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(_INTERRUPTED)
    except click.ClickException as error:
        error.show()
        sys.exit(EXIT_USAGE)
    except (BringupError, ValidationError, OSError) as error:
        click.echo(f"bringup: {_in_words(error)}", err=True)
        sys.exit(EXIT_USAGE if isinstance(error, SettingsError | InventoryError | ValidationError) else EXIT_FAILED)
    sys.exit(status if isinstance(status, int) else 0)


def _in_words(error: BringupError | ValidationError | OSError) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_input=False, include_url=False)[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    if isinstance(error, OSError):
        return f"{error.filename or 'the output'}: {error.strerror or error}"
    return str(error)
