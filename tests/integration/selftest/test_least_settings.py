"""Each service starts with the settings that it uses alone, and refuses a wrong one that it does not use."""

import os
import subprocess
import time
from pathlib import Path

import pytest
from dotenv import dotenv_values

from bringup import keys
from tests import preloaded
from tests.conftest import free_port
from tests.integration.selftest.site import Site

WITHIN_S = 60.0
READY = {"tail": "", "work": "working", "api": "Listening"}
ROLE = {"tail": "tailer", "work": "worker", "api": "api"}


def least(site: Site, service: str, folder: Path) -> dict[str, str]:
    """Where Redis is, who we are there, and what only this service has."""
    settings, stack = site.settings, site.stack
    own = dotenv_values(stack.folder / "redis" / f"{ROLE[service]}.env")
    redis = {name: value for name, value in own.items() if value} | {"REDIS_PORT": str(settings.redis_port)}
    redis |= {"REDIS_USE_TLS": "true", "PKI_DIR": str(settings.pki_dir)} if settings.redis_use_tls else {}
    token = settings.api_token.get_secret_value() if settings.api_token else ""
    api = {"API_TOKEN": token} | ({"API_USE_TLS": "true"} if settings.api_use_tls else {})
    (folder / "leases.jsonl").touch()
    return {
        "tail": redis | {"DHCP_SOURCE": "jsonl", "DHCP_PATH": str(folder / "leases.jsonl")},
        "work": redis | api | {"CALLBACK_API_PORT": str(settings.callback_api_port)},
        "api": redis | api | {"CALLBACK_API_PORT": str(free_port()), "API_WORKERS": "1"},
    }[service]


def start(service: str, environ: dict[str, str], folder: Path) -> "subprocess.Popen[bytes]":
    (folder / "devices.toml").touch()
    arguments = ["--once"] if service == "tail" else []
    with (folder / "log").open("wb") as log:
        environ = {"PATH": os.environ["PATH"], "STATE_DIR": str(folder / "var"), **environ}
        return preloaded.start([service, *arguments], cwd=folder, env=environ, log=log.fileno())


@pytest.mark.parametrize("service", READY)
@pytest.mark.parametrize("use_tls", [False, True], ids=["plain", "tls"])
def test_a_service_starts_with_the_least(
    plain_site: Site, tls_site: Site, tmp_path: Path, service: str, *, use_tls: bool
) -> None:
    site = tls_site if use_tls else plain_site
    process = start(service, least(site, service, tmp_path), tmp_path)
    try:
        if service == "tail":
            assert process.wait(WITHIN_S) == 0, (tmp_path / "log").read_text()
            reported = str(site.keeper.hkeys(keys.TAILERS))
            assert str(tmp_path) not in reported, "a single pass is no tailer that runs"
            return
        deadline = time.monotonic() + WITHIN_S
        while READY[service] not in (tmp_path / "log").read_text():
            assert process.poll() is None, (tmp_path / "log").read_text()
            assert time.monotonic() < deadline, (tmp_path / "log").read_text()
            time.sleep(0.05)
    finally:
        process.terminate()
        process.wait(180)


@pytest.mark.parametrize("service", READY)
def test_a_wrong_extra_is_refused(plain_site: Site, tmp_path: Path, service: str) -> None:
    environ = least(plain_site, service, tmp_path) | {"BMC_TRIES": "many"}
    assert start(service, environ, tmp_path).wait(WITHIN_S) == 2
    assert "BMC_TRIES: " in (tmp_path / "log").read_text()
