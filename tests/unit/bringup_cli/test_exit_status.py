"""The exit status of a command is what the shell gets."""

import subprocess
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


def test_a_configuration_that_is_wrong_is_two_and_no_traceback(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("REDIS_USETLS=true\n")
    done = subprocess.run(
        [sys.executable, "-m", "bringup", "config"], cwd=tmp_path, env={}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert "did you mean REDIS_USE_TLS?" in done.stderr
