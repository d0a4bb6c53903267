"""`bringup simulate` checks everything that it was given before it writes a file."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bringup.errors import SettingsError
from bringup_cli.commands.simulate import simulate
from bringup_cli.context import Context


def run(folder: Path, *arguments: str) -> Result:
    env_file = folder / "some.env"
    env_file.write_text(f"DEVICES_FILE={folder / 'devices.toml'}\nREDIS_PASSWORD=a-password-of-the-test\n")
    return CliRunner().invoke(simulate, list(arguments), obj=Context(env_file))


@pytest.mark.parametrize("fault", ["sim-001=", "sim-001", "sim-001=unknown", "=silent"])
def test_a_fault_that_cannot_be_read_is_a_usage_error_and_nothing_is_written(tmp_path: Path, fault: str) -> None:
    result = run(tmp_path, "--machines", "2", "--fault", fault)
    assert result.exit_code == 2
    assert "write NAME=KIND" in result.output
    assert not (tmp_path / "devices.toml").exists()


def test_a_fault_of_a_machine_that_will_not_be_there_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    result = run(tmp_path, "--machines", "2", "--fault", "sim-003=silent")
    assert isinstance(result.exception, SettingsError)
    assert "sim-003" in str(result.exception)
    assert not (tmp_path / "devices.toml").exists()
