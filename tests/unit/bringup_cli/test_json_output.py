"""Every command that prints data prints it as JSON, too; the others are known by name."""

from collections.abc import Iterator

import click

from bringup_cli.root import cli

# They serve, or write files and print what to do with them.
WITHOUT = {
    *("api", "images", "work", "console", "simulate", "demo"),
    "completion",  # a script for a shell
    *("init", "redis-conf"),
    *("site enroll", "site join", "site request", "site revoke", "site forget"),
    *("site init", "site remove"),
}


def commands(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    """Every command that can be run, by its words."""
    context = click.Context(command)
    if not isinstance(command, click.Group):
        yield " ".join(path), command
        return
    if command.invoke_without_command:
        yield " ".join(path), command
    for name in command.list_commands(context):
        found = command.get_command(context, name)
        assert found is not None
        yield from commands(found, (*path, name))


def test_every_command_that_prints_data_has_json_output() -> None:
    without = {words for words, command in commands(cli) if all(one.name != "output" for one in command.params)}
    assert without == WITHOUT
