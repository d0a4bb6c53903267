"""`bringup bmc check` and scripts/redfish-check as people use them, on the emulator over HTTPS."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from bringup_cli.root import cli
from tests.integration.redfish.conftest import Emulator, write_credential
from tests.integration.redfish.emulator import PASSWORD, SESSIONS, SYSTEM


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a credential and nothing else."""
    monkeypatch.chdir(tmp_path)
    write_credential(tmp_path / "credentials")
    return tmp_path


def check(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["bmc", "check", *arguments])


def address_of(emulator: Emulator, *more: str) -> Result:
    return check(emulator.address, "--credential-file", "credentials/rack1.toml", "--ca", str(emulator.ca), *more)


def test_an_address_is_looked_at_and_nothing_is_written(emulator: Emulator) -> None:
    result = address_of(emulator)
    assert result.exit_code == 0, result.output
    assert f"System:    {SYSTEM} (it is the only one)" in result.output
    assert "Nothing that can be seen by reading would fail." in result.output
    sent = {line for line in emulator.seen["log"] if not line.startswith("GET ")}
    assert {line.split()[0] for line in sent} == {"POST", "DELETE"}
    assert all(SESSIONS in line for line in sent)
    assert emulator.seen["sessions"] == 0
    assert PASSWORD not in result.output


def test_an_ip_address_alone_is_enough(emulator: Emulator) -> None:
    plain = emulator.address.removeprefix("https://")
    assert check(plain, "--credential-file", "credentials/rack1.toml", "--ca", str(emulator.ca)).exit_code == 0


def test_with_basic_only_reads_are_sent(emulator: Emulator) -> None:
    assert address_of(emulator, "--basic").exit_code == 0
    assert {line.split()[0] for line in emulator.seen["log"]} == {"GET"}


def test_a_program_gets_json_and_the_exit_status_shows_whether_a_run_would_fail(emulator: Emulator) -> None:
    emulator.refuse("GET", "/VirtualMedia", 404, times=99)
    result = address_of(emulator, "--output", "json")
    found: dict[str, Any] = json.loads(result.output)
    assert result.exit_code == 1
    assert any(line.startswith("media:") for line in found["problems"])


def test_a_machine_of_the_inventory_is_looked_at_as_a_run_would(emulator: Emulator, folder: Path) -> None:
    (folder / "devices.toml").write_text(
        f'[[device]]\nname = "r1"\nbmc_mac = "02:00:00:00:00:01"\nbmc = "{emulator.address}"\n'
        f'credential = "rack1"\nbmc_fingerprint = "{emulator.fingerprint}"\n'
    )
    assert check("r1").exit_code == 0
    unknown = check("r2")
    assert unknown.exit_code != 0
    assert "has no machine 'r2'" in unknown.output


def test_a_capture_is_written(emulator: Emulator, folder: Path) -> None:
    assert address_of(emulator, "--capture", "mockup").exit_code == 0
    root = json.loads((folder / "mockup/redfish/v1/index.json").read_text())
    assert "Systems" in root


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("http://10.0.0.1", "--credential-file", "credentials/rack1.toml"), "must begin with https://"),
        (("https://10.0.0.1",), "--credential-file"),
        (("r1", "--insecure"), "are for an address"),
        (("https://10.0.0.1", "--fingerprint", "ab:cd"), "--fingerprint"),
    ],
)
def test_a_mistake_is_named(arguments: tuple[str, ...], message: str) -> None:
    result = check(*arguments)
    assert result.exit_code == 2
    assert message in result.output
