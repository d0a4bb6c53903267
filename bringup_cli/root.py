"""The root of the command line: where commands hang, and where errors become one clear message."""

import gc
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import NoReturn

import click

from bringup import __version__
from bringup_cli.exit_status import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_USAGE, of_error
from bringup_cli.lazy_group import LazyGroup, Place

# Where each command is. A command imports what it needs, and nothing for the others: Flask, sushy and rq together take
# longer to import than most commands take to run.
COMMANDS = {
    "api": Place("services", "api", "Serve the callback API."),
    "audit": Place("operators", "audit", "Read and prove the audit log of this host."),
    "backup": Place("backup", "backup", "Write Redis's data, PKI, inventory and settings of this host into one file."),
    "bmc": Place("bmc", "bmc", "Examine a machine's BMC; nothing is changed."),
    "completion": Place("completion", "completion", "Print what bash, zsh or fish needs to complete commands."),
    "config": Place("settings", "config", "Show the effective settings and where each came from."),
    "console": Place("services", "console", "Serve the operator's page."),
    "demo": Place("demo", "demo", "Show the whole chain at work with SIMULATED machines."),
    "device": Place("device", "device", "Show, approve, start, maintain or learn machines."),
    "devices": Place("devices", "devices", "List the machines that are known, and their state."),
    "explain": Place("device", "explain", "Show whether a machine would be powered now, and why not."),
    "images": Place("services", "images", "Serve the validation images to BMCs."),
    "init": Place("settings", "init", "Write a .env with new secrets; never overwrite one."),
    "inventory": Place("settings", "inventory", "Look at the inventory, the file DEVICES_FILE."),
    "operator": Place("operators", "operator", "Name the people who may use the API."),
    "pki": Place("pki", "pki", "Certificates for mutual TLS."),
    "queues": Place("queues", "queues", "Show the queues, and the jobs in quarantine."),
    "redis-conf": Place(
        "redis_conf", "redis_conf", "Write redis.conf, its ACL file and a password file for each role."
    ),
    "restore": Place(
        "backup", "restore", "Put what a backup holds in place; machines are withheld until a person looks."
    ),
    "run": Place("run", "run", "Show a run, wait for its end, end it, or repeat it."),
    "runs": Place("runs", "runs", "List runs, newest first."),
    "selftest": Place("selftest", "selftest", "Prove what is really in force between us, Redis and the API."),
    "simulate": Place("simulate", "simulate", "Play the SIMULATED machines of DEVICES_FILE."),
    "site": Place("site", "site", "Hosts of a site: enroll, join, see all, cut one off."),
    "tail": Place("tail", "tail", "Follow the DHCP server's file, and put every new lease on the queue."),
    "work": Place("services", "work", "Do the jobs on the queues."),
}


@click.group(cls=LazyGroup, places=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
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
    # Imported here: `bringup --version` and the help need no settings.
    context.obj = import_module("bringup_cli.context").Context(env_file)


def main() -> None:
    """Run the command line; a user's mistake ends in one message and an exit code, never in a traceback."""
    _open_standard_files()
    try:
        run(sys.argv[1:])
    finally:
        # A process that ends looks for garbage once more in all that it holds, which is a quarter of the time of a
        # command, and half of the time in which the API stops. What is frozen is left to the operating system.
        gc.freeze()


def _open_standard_files() -> None:
    """Those that we were started without: the next file that is opened, such as a connection, would be one of them."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # The lowest number that is free, which is this one.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # noqa: FBT003 - the parameter has no name
    sys.stdout, sys.stderr = sys.stdout or os.fdopen(1, "w"), sys.stderr or os.fdopen(2, "w")


def run(arguments: Sequence[str]) -> NoReturn:
    """Run the command line in a process that goes on: as `main`, which ends one. Raises SystemExit with the status."""
    try:
        # click hands the status of Context.exit back here instead of raising it.
        status = cli.main(list(arguments), prog_name="bringup", standalone_mode=False)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(EXIT_FAILED)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(EXIT_INTERRUPTED)
    except click.ClickException as error:
        error.show()
        sys.exit(EXIT_USAGE)
    except Exception as error:
        known = of_error(error)
        if known is None:
            raise
        click.echo(f"bringup: {known[1]}", err=True)
        sys.exit(known[0])
    sys.exit(status if isinstance(status, int) else 0)
