"""The scripts are thin: they find the program, hand everything on, and end as it ends."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[3] / "scripts" / "pki"
COMMANDS = {"setup_pki.sh": "setup", "verify_mtls.sh": "verify", "renew_certs.sh": "renew"}
PROGRAM = '#!/bin/sh\nprintf "%s|" {name} "$@"\nexit 7\n'


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with the scripts and nothing else, in a folder with a space."""
    shutil.copytree(SCRIPTS, tmp_path / "a checkout" / "scripts" / "pki")
    return tmp_path / "a checkout"


def program(path: Path, name: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(PROGRAM.format(name=name))
    path.chmod(0o755)


def run(script: Path, cwd: Path, path: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([script, *words], cwd=cwd, env={"PATH": path}, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("script", "command"), COMMANDS.items())
def test_a_script_runs_the_program_of_its_own_checkout_from_any_directory(
    checkout: Path, tmp_path: Path, script: str, command: str
) -> None:
    program(checkout / ".venv" / "bin" / "bringup", "own")
    program(tmp_path / "bin" / "bringup", "installed")
    done = run(
        checkout / "scripts" / "pki" / script, tmp_path, f"{tmp_path / 'bin'}:{os.environ['PATH']}", "--x", "a b"
    )
    assert (done.stdout, done.returncode) == (f"own|pki|{command}|--x|a b|", 7)


@pytest.mark.parametrize(("script", "command"), COMMANDS.items())
def test_a_script_runs_the_installed_program_where_the_checkout_has_none(
    checkout: Path, tmp_path: Path, script: str, command: str
) -> None:
    program(tmp_path / "bin" / "bringup", "installed")
    done = run(checkout / "scripts" / "pki" / script, tmp_path, f"{tmp_path / 'bin'}:/usr/bin:/bin")
    assert (done.stdout, done.returncode) == (f"installed|pki|{command}|", 7)


@pytest.mark.parametrize("script", COMMANDS)
def test_a_script_without_any_program_hints_at_setup(checkout: Path, tmp_path: Path, script: str) -> None:
    done = run(checkout / "scripts" / "pki" / script, tmp_path, "/usr/bin:/bin")
    assert done.returncode == 2
    assert f"{script}: bringup is not installed" in done.stderr
    assert "scripts/setup" in done.stderr


def test_a_script_may_be_called_through_a_link(checkout: Path, tmp_path: Path) -> None:
    program(checkout / ".venv" / "bin" / "bringup", "own")
    (tmp_path / "verify").symlink_to(checkout / "scripts" / "pki" / "verify_mtls.sh")
    assert run(tmp_path / "verify", tmp_path, "/usr/bin:/bin").stdout == "own|pki|verify|"
