"""Every command is found under its name."""

import click
import pytest
from click.testing import CliRunner

from bringup_cli.commands.site import COMMANDS as SITE_COMMANDS
from bringup_cli.commands.site import site
from bringup_cli.lazy_group import Place
from bringup_cli.root import COMMANDS, cli

TABLES = [(cli, name) for name in COMMANDS] + [(site, name) for name in SITE_COMMANDS]


@pytest.mark.parametrize(("group", "name"), TABLES, ids=[name for _, name in TABLES])
def test_every_command_is_where_the_table_has_it(group: click.Group, name: str) -> None:
    command = group.get_command(click.Context(group), name)
    assert command is not None
    assert command.name == name


def test_an_unknown_command_is_none_of_ours() -> None:
    assert cli.get_command(click.Context(cli), "no-such-command") is None


@pytest.mark.parametrize(("words", "right"), [(("dvices",), "devices or device"), (("site", "enrol"), "enroll")])
def test_a_misspelt_command_is_answered_with_the_right_one(words: tuple[str, ...], right: str) -> None:
    answer = CliRunner().invoke(cli, words)
    assert answer.exit_code == 2
    assert f"No such command '{words[-1]}'. Did you mean {right}" in answer.output


@pytest.mark.parametrize(("words", "places"), [((), COMMANDS), (("site",), SITE_COMMANDS)])
def test_the_list_of_commands_has_a_line_of_help_for_each(words: tuple[str, ...], places: dict[str, Place]) -> None:
    listed = CliRunner().invoke(cli, [*words, "--help"]).output.partition("Commands:")[2]
    names = [line.split()[0] for line in listed.splitlines() if line[:3].strip()]
    assert names == sorted(places)
    assert all(place.help in " ".join(listed.split()) for place in places.values())
