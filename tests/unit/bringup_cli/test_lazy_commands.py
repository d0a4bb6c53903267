"""Every command is found under its name, and a light one imports nothing that only the services need."""

import subprocess
import sys

import click
import pytest

from bringup_cli.root import COMMANDS, cli

HEAVY = ("flask", "spectree", "gunicorn", "gevent", "sushy", "rq")


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_is_where_the_table_says(name: str) -> None:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    assert command.name == name


def test_an_unknown_command_is_none_of_ours() -> None:
    assert cli.get_command(click.Context(cli), "no-such-command") is None


@pytest.mark.parametrize("words", [["--version"], ["config", "--help"], ["devices", "--help"]])
def test_a_light_command_imports_no_service(words: list[str]) -> None:
    program = (
        "import sys\n"
        "from bringup_cli.root import cli\n"
        f"cli.main({words!r}, standalone_mode=False)\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"
