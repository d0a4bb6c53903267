"""The service units of deploy/systemd, as systemd itself reads them."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from bringup_cli.site import host_system
from bringup_cli.site.layout import user_of
from bringup_cli.site.registry import HostRole

UNITS = Path(__file__).parents[3] / "deploy/systemd"
SERVICES = [path.name.replace("@.", "@worker.") for path in sorted(UNITS.glob("*.service"))]
# What `systemd-analyze security` may show at most, of 10: "OK" for it begins at 4.9.
MOST_EXPOSED = 1.5


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A host with the unit files and the programs that they name."""
    made = tmp_path_factory.mktemp("host")
    shutil.copytree(UNITS, made / "etc/systemd/system")
    (made / "usr/bin").mkdir(parents=True)
    for name in ("bringup", "redis-server"):
        (made / "usr/bin" / name).touch(mode=0o755)
    return made


def exposure(root: Path, unit: str) -> float:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed here: apt-get install systemd")
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", f"--root={root}", unit],
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout + done.stderr)
    assert found, done.stdout + done.stderr
    return float(found[1])


@pytest.mark.parametrize("unit", SERVICES)
def test_each_service_is_confined(root: Path, unit: str) -> None:
    assert exposure(root, unit) <= MOST_EXPOSED


def test_without_the_shared_file_of_hardening_a_service_is_exposed(root: Path, tmp_path: Path) -> None:
    bare = tmp_path / "host"
    shutil.copytree(root, bare)
    shutil.rmtree(bare / "etc/systemd/system/bringup-.service.d")
    assert exposure(bare, "bringup-api.service") > MOST_EXPOSED


def text_of(unit: str) -> str:
    return (UNITS / re.sub(r"@[^.]*\.", "@.", unit)).read_text()


@pytest.mark.parametrize("role", HostRole)
def test_each_role_has_a_unit_of_its_own_user_that_waits_until_it_is_ready(role: HostRole) -> None:
    text = text_of(host_system.UNIT_OF[role])
    assert f"User={user_of(role)}\n" in text
    assert "Type=notify\n" in text
    assert "Restart=always\n" in text


@pytest.mark.parametrize("role", [role for role in HostRole if role is not HostRole.REDIS])
def test_each_service_has_a_watchdog_and_gets_its_secrets_as_a_credential(role: HostRole) -> None:
    text = text_of(host_system.UNIT_OF[role])
    assert "WatchdogSec=" in text
    assert f"LoadCredential=settings.env:/etc/bringup/{role}.env\n" in text
    assert "LOG_FORMAT=json" in text


def test_tailers_start_last() -> None:
    assert host_system.service_units(HostRole)[0] == "bringup-redis.service"
    assert host_system.service_units(HostRole)[-1] == "bringup-tail@main.service"


@pytest.mark.parametrize("role", HostRole)
def test_a_host_of_any_role_tests_itself_daily(role: HostRole) -> None:
    assert f"bringup-selftest@{role}.timer" in host_system.timers([role], has_ca=False)


def test_only_the_host_of_the_ca_signs() -> None:
    roles = list(HostRole)
    assert host_system.SIGN in host_system.timers(roles, has_ca=True)
    assert host_system.SIGN not in host_system.timers(roles, has_ca=False)
