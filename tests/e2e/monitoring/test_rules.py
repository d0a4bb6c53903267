"""The alert rules by Prometheus' own judge: each fires on its fault, and none on a site in order."""

import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[3] / "deploy/prometheus"

pytestmark = pytest.mark.slow  # promtool comes with the package of Prometheus, which no other test needs


@pytest.mark.parametrize("command", ["check rules bringup.rules.yaml", "test rules bringup.rules.test.yaml"])
def test_promtool_accepts_the_rules(command: str) -> None:
    words = ["promtool", *command.split()]
    done = subprocess.run(words, cwd=FOLDER, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SUCCESS" in done.stdout
