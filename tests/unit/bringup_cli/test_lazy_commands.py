"""Every command is found under its name."""

import click
import pytest
from click.testing import CliRunner

from bringup_cli.root import COMMANDS, cli


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_is_where_the_table_has_it(name: str) -> None:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    assert command.name == name


def test_an_unknown_command_is_none_of_ours() -> None:
    assert cli.get_command(click.Context(cli), "no-such-command") is None


def test_the_list_of_commands_has_a_line_of_help_for_each() -> None:
    listed = CliRunner().invoke(cli, ["--help"]).output.partition("Commands:")[2]
    names = [line.split()[0] for line in listed.splitlines() if line[:3].strip()]
    assert names == sorted(COMMANDS)
    assert all(place.help in " ".join(listed.split()) for place in COMMANDS.values())
