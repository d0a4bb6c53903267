"""The stack of compose.yaml, plain and with mutual TLS: confined, healthy, and green by its own self-test."""

import http.client
import json
import os
import re
import shutil
import ssl
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.containers.site import CONSOLE_PORT, IMAGE, IMAGE_PORT, PLAIN, SERVICES, TLS, USER, Site, lease

ROOT = Path(__file__).parents[3]
PROFILES = ("--profile", "images", "--profile", "console")


def run(*command: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, **options)


class Stack(Site):
    """A site and the containers that run from it."""

    def __init__(self, folder: Path, settings: Mapping[str, str]) -> None:
        self._home, self.dhcp = folder, folder / "dhcp"
        shutil.copy(ROOT / "deploy/containers/compose.yaml", folder)
        self.dhcp.mkdir()
        (self.dhcp / "leases.jsonl").touch()
        super().__init__(folder / "site", str(folder / "site"), run, settings)

    def fetched(self, port: int, path: str) -> tuple[int, str]:
        """Status and body, without a client certificate."""
        made = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        if self.uses_tls:
            context = ssl.create_default_context(cafile=self.folder / "pki/ca/ca-cert.pem")
            made = http.client.HTTPSConnection("127.0.0.1", port, timeout=60, context=context)
        made.request("GET", path)
        answer = made.getresponse()
        return answer.status, answer.read().decode()

    def compose(self, *words: str) -> None:
        env = {**os.environ, "DHCP_FOLDER": str(self.dhcp)}
        done = run("podman-compose", "-p", "bringup", *PROFILES, *words, cwd=self._home, env=env)
        assert done.returncode == 0, done.stderr

    def health(self, service: str) -> int:
        """0: healthy."""
        return run("podman", "healthcheck", "run", f"bringup_{service}_1").returncode

    def await_health(self) -> None:
        deadline = time.monotonic() + 120
        while any(self.health(service) for service in SERVICES):
            assert time.monotonic() < deadline, self.logs()
            time.sleep(1)

    def logs(self) -> str:
        return "\n".join(run("podman", "logs", "--tail=20", f"bringup_{one}_1").stdout for one in SERVICES)


@pytest.fixture(scope="module", params=[PLAIN, TLS], ids=["plain", "tls"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    found = Stack(tmp_path_factory.mktemp("site"), request.param)
    found.compose("up", "-d")
    found.await_health()
    yield found
    found.compose("down", "--volumes")


def inspected(service: str) -> Any:
    return json.loads(run("podman", "inspect", f"bringup_{service}_1").stdout)[0]


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_not_root_and_can_neither_write_its_root_nor_use_a_capability(site: Stack, service: str) -> None:
    status = Path(f"/proc/{inspected(service)['State']['Pid']}/status").read_text()
    assert re.search(rf"^Uid:\s+{USER}\s+{USER}\s", status, re.MULTILINE)
    assert set(re.findall(r"^Cap\w+:\s+(\w+)$", status, re.MULTILINE)) == {"0" * 16}
    assert re.search(r"^NoNewPrivs:\s+1$", status, re.MULTILINE)
    assert inspected(service)["HostConfig"]["ReadonlyRootfs"]
    assert run("podman", "exec", f"bringup_{service}_1", "touch", "/usr/written").returncode != 0


def test_the_self_test_is_green_and_finds_worker_and_tailer(site: Stack) -> None:
    site.assert_self_test_passes()


def test_images_are_served_on_a_port_of_their_own_and_no_call_of_the_api(site: Stack) -> None:
    status, body = site.fetched(IMAGE_PORT, "/api/v1/health")
    assert (status, "bringup-api" in body) == (200, True)
    assert site.fetched(IMAGE_PORT, "/api/v1/ready")[0] == 404


def test_the_page_asks_people_to_sign_in_and_follows_the_feed(site: Stack) -> None:
    status, body = site.fetched(CONSOLE_PORT, "/sign-in")
    assert status == 200
    assert "token" in body.lower()
    assert "the feed of changes is away" not in run("podman", "logs", "bringup_console_1").stdout


def test_console_and_images_see_neither_the_ca_key_nor_the_secrets_of_others(site: Stack) -> None:
    hidden = {
        "console": (".env", "redis", "pki/ca/ca-key.pem", "pki/api", "pki/workers", "operators.toml", "credentials"),
        "images": (
            "pki/ca/ca-key.pem",
            "pki/redis",
            "redis/users.acl",
            "redis/worker.env",
            "credentials",
            "console.env",
        ),
    }
    for service, names in hidden.items():
        for name in names:
            assert run("podman", "exec", f"bringup_{service}_1", "ls", f"/site/{name}").returncode != 0, (service, name)


def test_a_lease_in_the_dhcp_file_becomes_a_run(site: Stack) -> None:
    with (site.dhcp / "leases.jsonl").open("a") as file:
        file.write(lease())
    deadline = time.monotonic() + 60
    while not site.knows_machine():
        assert time.monotonic() < deadline, site.logs()
        time.sleep(1)


def test_worker_and_tailer_see_neither_the_ca_key_nor_the_secrets_of_others(site: Stack) -> None:
    for service in ("worker", "tailer"):
        for name in ("pki/ca/ca-key.pem", "pki/redis", "pki/api", "redis/api.env", "redis/users.acl"):
            assert run("podman", "exec", f"bringup_{service}_1", "ls", f"/site/{name}").returncode != 0, (service, name)


def test_a_stopped_redis_comes_back_with_what_it_held(site: Stack) -> None:
    run("podman", "restart", "--time=30", "bringup_redis_1")
    site.await_health()
    assert site.knows_machine()


def test_a_service_that_does_not_answer_is_not_healthy(site: Stack) -> None:
    check = "/usr/lib/bringup/bin/healthcheck; echo $?"
    done = site.podman_run("--env=CALLBACK_API_PORT=59999", "--entrypoint=sh", IMAGE, "-c", check, "sh", "api")
    assert done.stdout.strip() == "1", done
    assert "no answer" in done.stderr


def test_the_image_has_its_bill_of_materials_and_its_labels() -> None:
    found = json.loads(run("podman", "inspect", IMAGE).stdout)[0]
    labels = found["Labels"]
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
    done = run("podman", "run", "--rm", "--network=host", "--entrypoint=cat", IMAGE, labels["org.bringup.sbom"])
    assert json.loads(done.stdout)["bomFormat"] == "CycloneDX"
    assert found["User"] == f"{USER}:{USER}"
    assert found["Healthcheck"]["Test"] == ["CMD", "/usr/lib/bringup/bin/healthcheck"]
