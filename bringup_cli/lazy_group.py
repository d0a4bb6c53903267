"""A group of commands that imports a command when it is called, and not before."""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from importlib import import_module
from typing import Any, NamedTuple

import click
from click.shell_completion import CompletionItem


class Place(NamedTuple):
    """Where a command is, and what the list of commands shows of it.

    Args:
        module: of `bringup_cli.commands` that has the command.
        name: of the command in the module.
        help: its line in the list of commands, and in what a shell completes.
    """

    module: str
    name: str
    help: str


class LazyGroup(click.Group):
    """A group that knows its commands by name and by one line of help, without importing them.

    Args:
        places: of each command, by its name on the command line.
    """

    def __init__(self, *args: Any, places: Mapping[str, Place], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._places = places

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all commands; nothing is imported."""
        return sorted({*super().list_commands(ctx), *self._places})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported now; None when there is none of this name."""
        place = self._places.get(cmd_name)
        if place is None:
            return super().get_command(ctx, cmd_name)
        command: click.Command = getattr(import_module(f"bringup_cli.commands.{place.module}"), place.name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, which proposes the nearest of the commands that are imported; here it is one of all.

        Raises:
            UsageError: there is none of this name.
        """
        name = args[0]
        if not name.startswith("-") and self.get_command(ctx, name) is None and not ctx.resilient_parsing:
            near = get_close_matches(name, self.list_commands(ctx))
            meant = f" Did you mean {' or '.join(near)}?" if near else ""
            raise click.UsageError(f"No such command {name!r}.{meant}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands in the help; to import them all would take longer than most commands run."""
        with formatter.section("Commands"):
            formatter.write_dl(list(self._lines(ctx)))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """What a shell completes: a person waits for it at each press of the key."""
        found = [CompletionItem(name, help=text) for name, text in self._lines(ctx) if name.startswith(incomplete)]
        # Of click's own: the options of this group, without its commands, which it would import.
        return found + (click.Command.shell_complete(self, ctx, incomplete) if incomplete.startswith("-") else [])

    def _lines(self, ctx: click.Context) -> Iterator[tuple[str, str]]:
        for name in self.list_commands(ctx):
            place = self._places.get(name)
            yield name, place.help if place else self.commands[name].get_short_help_str()
