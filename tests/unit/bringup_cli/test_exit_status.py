"""The exit status of a command is what the shell gets."""

import sys
from pathlib import Path

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


def test_a_bmc_check_without_its_credential_is_a_mistake_and_no_finding(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """docs/redfish.md: 1 is for what would fail on the BMC, and nothing was asked of it."""
    monkeypatch.chdir(tmp_path)
    missing = tmp_path / "rack1.toml"
    assert status_of(monkeypatch, "bmc", "check", "https://192.0.2.1", "--credential-file", str(missing)) == 2
    assert str(missing) in capsys.readouterr().err
