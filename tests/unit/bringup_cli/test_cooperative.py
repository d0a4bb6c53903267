"""Which command is begun anew under gevent is seen before click has read the command line."""

from collections.abc import Sequence

import click
import pytest

from bringup_cli import cooperative
from bringup_cli.root import cli


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        (["api"], "api"),
        (["api", "--accept-redis"], "api"),
        (["--env-file", "api", "work"], "work"),
        (["--env-file", "a", "--env-file=b", "images"], "images"),
        (["pki", "issue", "api"], "pki"),
        (["--version"], None),
        (["--env-file"], None),
        ([], None),
    ],
)
def test_the_command_is_the_first_word_that_is_no_option(arguments: Sequence[str], command: str | None) -> None:
    assert cooperative.command_in(arguments) == command


def test_all_options_with_a_value_are_known() -> None:
    options = [one for one in cli.params if isinstance(one, click.Option) and not one.is_flag]
    assert {name for one in options for name in one.opts} == cooperative._WITH_VALUE


def test_no_other_command_is_begun_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[list[str]] = []
    monkeypatch.setattr("os.execv", lambda _program, command: begun.append(command))
    for name in cli.list_commands(click.Context(cli)):
        cooperative.restart_cooperative([name])
    assert [command[-1] for command in begun] == ["api", "console", "images"]
