"""A package of another project that has the name of one of ours: the working directory is not searched for it."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("command", ["api", "images"])
def test_a_folder_of_our_name_in_the_working_directory_is_not_imported(tmp_path: Path, command: str) -> None:
    for package in ("api", "bringup", "workers"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("raise SystemExit('a foreign package was imported')")
    no_folder = tmp_path / "state"
    no_folder.touch()
    program = str(Path(sys.executable).with_name("bringup"))
    environ = {"STATE_DIR": str(no_folder), "IMAGE_PORT": "5999", "VALIDATION_IMAGE": str(no_folder)}
    ended = subprocess.run(
        [program, command], check=False, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=180
    )
    assert "foreign" not in ended.stdout + ended.stderr
    assert "the configuration is not usable" in ended.stderr
