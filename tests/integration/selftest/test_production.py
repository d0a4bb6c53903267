"""ENVIRONMENT=production: no service starts insecurely, unless a setting allows it, and then each start warns."""

from collections.abc import Mapping
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from tests import preloaded
from tests.in_process import command
from tests.integration.selftest.site import Site

GOOD = "Zq8vN3xK7mR2tY6wB4cD"
WEAK = ("short", "changeme12345678", "aaaaaaaaaaaaaaaaaaaa", "Password00000000!!!!")


def _environment(folder: Path, variables: Mapping[str, str]) -> dict[str, str]:
    (folder / "devices.toml").touch()
    (folder / "empty.env").touch()
    return {"BRINGUP_ENV_FILE": "empty.env", "ENVIRONMENT": "production", **variables}


def _start(folder: Path, service: str, variables: Mapping[str, str]) -> tuple[int, str]:
    """The exit status of a service, and all that it printed."""
    output = folder / "output"
    with output.open("wb") as log:
        process = preloaded.start([service], cwd=folder, env=_environment(folder, variables), log=log.fileno())
    try:
        return process.wait(180), output.read_text()
    finally:
        process.kill()


def _configuration(folder: Path, variables: Mapping[str, str]) -> "CompletedProcess[str]":
    return command(["config"], _environment(folder, variables), folder)


USED = [(service, flag) for service in ("api", "work") for flag in ("REDIS_USE_TLS", "API_USE_TLS")]


@pytest.mark.parametrize(("service", "flag"), [*USED, ("tail", "REDIS_USE_TLS")])
def test_no_service_starts_in_production_with_a_flag_off(
    tls_site: Site, tmp_path: Path, service: str, flag: str
) -> None:
    good = {"REDIS_PASSWORD": GOOD, "API_TOKEN": GOOD, "PKI_DIR": str(tls_site.store.root)}
    flags = {"REDIS_USE_TLS": "true", "API_USE_TLS": "true"} | {flag: "false"}
    status, output = _start(tmp_path, service, good | flags)
    assert status == 2
    assert f"{flag}: must be true when ENVIRONMENT=production" in output
    assert "Traceback" not in output


@pytest.mark.parametrize(
    ("service", "weak", "secrets"),
    [
        ("api", WEAK[0], ("REDIS_PASSWORD", "API_TOKEN")),
        ("work", WEAK[1], ("REDIS_PASSWORD", "API_TOKEN")),
        ("tail", WEAK[2], ("REDIS_PASSWORD",)),
        ("api", WEAK[3], ("REDIS_PASSWORD", "API_TOKEN")),
    ],
)
def test_no_service_starts_in_production_with_a_weak_secret_and_none_is_printed(
    tls_site: Site, tmp_path: Path, service: str, weak: str, secrets: tuple[str, ...]
) -> None:
    variables = {"REDIS_USE_TLS": "true", "API_USE_TLS": "true", "PKI_DIR": str(tls_site.store.root)}
    status, output = _start(tmp_path, service, variables | {"REDIS_PASSWORD": weak, "API_TOKEN": weak})
    assert status == 2
    for name in secrets:
        assert f"{name}: must be at least 16 characters" in output
    assert "`bringup init` makes a good one" in output
    assert weak not in output.replace("ENVIRONMENT", "")


def test_what_is_insecure_in_production_is_logged_at_every_start(tmp_path: Path) -> None:
    done = _configuration(tmp_path, {"ALLOW_INSECURE_PRODUCTION": "true", "REDIS_PASSWORD": GOOD})
    assert done.returncode == 0
    warnings = [line for line in done.stderr.splitlines() if "INSECURE" in line]
    assert len(warnings) == 3
    assert all("warning" in line for line in warnings)
    assert "REDIS_USE_TLS" in warnings[0]


def test_a_secure_production_logs_no_such_warning(tls_site: Site, tmp_path: Path) -> None:
    secure = {"REDIS_USE_TLS": "true", "API_USE_TLS": "true", "REDIS_PASSWORD": GOOD, "API_TOKEN": GOOD}
    done = _configuration(tmp_path, secure | {"PKI_DIR": str(tls_site.store.root)})
    assert done.returncode == 0
    assert "INSECURE" not in done.stderr


def test_simulated_machines_have_no_place_in_production(tmp_path: Path) -> None:
    status, output = _start(tmp_path, "simulate", {"ALLOW_INSECURE_PRODUCTION": "true"})
    assert status == 2
    assert "simulated machines must not run in production" in output
