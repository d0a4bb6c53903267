"""The exit status of a command is what the shell gets."""

import sys

import click
import pytest

from bringup_cli import root


@click.command("leave-with-7")
@click.pass_context
def leave(context: click.Context) -> None:
    """Ends with a status of its own."""
    context.exit(7)


def status_of(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> object:
    monkeypatch.setattr(sys, "argv", ["bringup", *arguments])
    monkeypatch.setitem(root.cli.commands, "leave-with-7", leave)
    with pytest.raises(SystemExit) as caught:
        root.main()
    return caught.value.code


def test_a_command_may_end_with_a_status_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    assert status_of(monkeypatch, "leave-with-7") == 7


def test_success_is_zero_and_a_mistake_of_usage_is_two(monkeypatch: pytest.MonkeyPatch) -> None:
    assert status_of(monkeypatch, "--version") == 0
    assert status_of(monkeypatch, "no-such-command") == 2
