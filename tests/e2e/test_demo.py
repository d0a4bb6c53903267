"""The demonstration, as a user runs it."""

import subprocess
import sys
from pathlib import Path

from bringup_cli.demo import scenario


def demonstrated(folder: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    """The demonstration; again where it fails: its timeouts are of seconds, which a machine that stalls uses up."""
    command = [sys.executable, "-m", "bringup", "demo", *options]
    for _ in range(3):
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600, check=False)
        if done.returncode == 0:
            break
    return done


def test_the_demonstration_ends_with_all_as_expected(tmp_path: Path) -> None:
    done = demonstrated(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"All {len(scenario.MACHINES)} machines came to the end" in done.stdout
    for machine in scenario.MACHINES:
        rows = [line for line in done.stdout.splitlines() if f" {machine.name} " in line and "│" in line]
        assert len(rows) == 1, machine.name
        assert machine.ends.value in rows[0]
        assert "yes" in rows[0]
    assert not list(tmp_path.iterdir()), "it left something behind"
