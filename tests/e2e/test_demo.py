"""The demonstration, as a user runs it."""

import subprocess
import sys
from pathlib import Path

from bringup_cli.demo import scenario


def test_the_demonstration_ends_with_all_as_expected(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bringup", "demo"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"All {len(scenario.MACHINES)} machines came to the end" in done.stdout
    for machine in scenario.MACHINES:
        rows = [line for line in done.stdout.splitlines() if f" {machine.name} " in line and "│" in line]
        assert len(rows) == 1, machine.name
        assert machine.ends.value in rows[0]
        assert "yes" in rows[0]
    assert not list(tmp_path.iterdir()), "it left something behind"
