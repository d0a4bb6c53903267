"""The stack of compose.yaml, plain and with mutual TLS: confined, healthy, and green by its own self-test."""

import http.client
import json
import os
import re
import shutil
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bringup.wire.machine import AREA_HEAD, AREA_SIZE

ROOT = Path(__file__).parents[3]
IMAGE = os.environ.get("BRINGUP_IMAGE", "")
SERVICES = ("redis", "api", "images", "console", "worker", "tailer")
PROFILES = ("--profile", "images", "--profile", "console")
USER = 10001
IMAGE_PORT, CONSOLE_PORT = 5001, 5002
PLAIN = {
    "DHCP_SOURCE": "jsonl",
    "DHCP_PATH": "/dhcp/leases.jsonl",
    "IMAGE_PORT": str(IMAGE_PORT),
    "VALIDATION_IMAGE": "/site/images/bringup-validation.iso",
}
TLS = PLAIN | {"ENVIRONMENT": "production", "REDIS_USE_TLS": "true", "API_USE_TLS": "true"}


def run(*command: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, **options)


class Site:
    """A folder as docs/containers.md has a person make it, and the stack that runs from it."""

    def __init__(self, folder: Path, settings: dict[str, str]) -> None:
        self.folder, self.site, self.dhcp = folder, folder / "site", folder / "dhcp"
        shutil.copy(ROOT / "deploy/containers/compose.yaml", folder)
        for name in ("", "credentials", "images", "pki", "pki/issued"):
            path = self.site / name
            path.mkdir(mode=0o700)
            os.chown(path, USER, USER)
        self.dhcp.mkdir()
        (self.dhcp / "leases.jsonl").touch()
        (self.site / "devices.toml").touch()
        self.bringup("init")
        env = self.site / ".env"
        text = env.read_text()
        for name, value in settings.items():
            text = re.sub(rf"^{name}=.*$", f"{name}={value}", text, flags=re.MULTILINE)
        env.write_text(text)
        self.bringup("pki", "setup")
        self.bringup("redis-conf")
        base = AREA_HEAD.ljust(AREA_SIZE)
        (self.site / "images/bringup-validation.iso").write_bytes(bytes(2048) + base + bytes(2048))
        self._make_console(settings)

    def _make_console(self, settings: dict[str, str]) -> None:
        """Its token, its certificates, and settings of its own."""
        printed = self.bringup("operator", "add", "console", "--role", "console")
        lines = [*re.findall(r"CONSOLE_TOKEN=\S+", printed), "API_CLIENT_CERT=pki/issued/console/console-cert.pem"]
        lines += ["API_CLIENT_KEY=pki/issued/console/console-key.pem"]
        lines += [f"{name}={settings[name]}" for name in ("ENVIRONMENT", "API_USE_TLS") if name in settings]
        (self.site / "console.env").write_text("\n".join(lines) + "\n")
        (self.site / "console.env").chmod(0o600)
        os.chown(self.site / "console.env", USER, USER)
        if "API_USE_TLS" in settings:
            self.bringup("pki", "issue", "console", "--name", "console")
            self.bringup("pki", "issue", "web", "--name", "console", "--san", "127.0.0.1")

    def fetched(self, port: int, path: str) -> tuple[int, str]:
        """Status and body, without a client certificate."""
        made = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        if re.search("^API_USE_TLS=true$", (self.site / ".env").read_text(), re.MULTILINE):
            context = ssl.create_default_context(cafile=self.site / "pki/ca/ca-cert.pem")
            made = http.client.HTTPSConnection("127.0.0.1", port, timeout=60, context=context)
        made.request("GET", path)
        answer = made.getresponse()
        return answer.status, answer.read().decode()

    def podman_run(self, *words: str) -> subprocess.CompletedProcess[str]:
        confined = ("--rm", "--read-only", "--cap-drop=ALL", "--network=host", "--tmpfs=/tmp")
        return run("podman", "run", *confined, f"--volume={self.site}:/site", *words)

    def bringup(self, *words: str, env_file: str = "") -> str:
        env = [f"--env=BRINGUP_ENV_FILE={env_file}"] if env_file else []
        done = self.podman_run("--env=STATE_DIR=/tmp", *env, IMAGE, *words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def compose(self, *words: str) -> None:
        env = {**os.environ, "DHCP_FOLDER": str(self.dhcp)}
        done = run("podman-compose", "-p", "bringup", *PROFILES, *words, cwd=self.folder, env=env)
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
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    found = Site(tmp_path_factory.mktemp("site"), request.param)
    found.compose("up", "-d")
    found.await_health()
    yield found
    found.compose("down", "--volumes")


def inspected(service: str) -> Any:
    return json.loads(run("podman", "inspect", f"bringup_{service}_1").stdout)[0]


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_not_root_and_can_neither_write_its_root_nor_use_a_capability(site: Site, service: str) -> None:
    status = Path(f"/proc/{inspected(service)['State']['Pid']}/status").read_text()
    assert re.search(rf"^Uid:\s+{USER}\s+{USER}\s", status, re.MULTILINE)
    assert set(re.findall(r"^Cap\w+:\s+(\w+)$", status, re.MULTILINE)) == {"0" * 16}
    assert re.search(r"^NoNewPrivs:\s+1$", status, re.MULTILINE)
    assert inspected(service)["HostConfig"]["ReadonlyRootfs"]
    assert run("podman", "exec", f"bringup_{service}_1", "touch", "/usr/written").returncode != 0


def test_the_self_test_is_green_and_finds_worker_and_tailer(site: Site) -> None:
    report = site.bringup("selftest", env_file=".env:redis/worker.env")
    assert re.search(r"^PASSED: \d+ ok", report, re.MULTILINE), report
    assert re.search(r"^OK +chain\.workers", report, re.MULTILINE), report
    assert re.search(r"^OK +chain\.tailers", report, re.MULTILINE), report


def test_images_are_served_on_a_port_of_their_own_and_no_call_of_the_api(site: Site) -> None:
    status, body = site.fetched(IMAGE_PORT, "/api/v1/health")
    assert (status, "bringup-api" in body) == (200, True)
    assert site.fetched(IMAGE_PORT, "/api/v1/ready")[0] == 404


def test_the_page_asks_people_to_sign_in_and_follows_the_feed(site: Site) -> None:
    status, body = site.fetched(CONSOLE_PORT, "/sign-in")
    assert status == 200
    assert "token" in body.lower()
    assert "the feed of changes is away" not in run("podman", "logs", "bringup_console_1").stdout


def test_console_and_images_see_neither_the_ca_key_nor_the_secrets_of_others(site: Site) -> None:
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


def test_a_lease_in_the_dhcp_file_becomes_a_run(site: Site) -> None:
    lease = {"ip": "10.0.0.11", "mac": "02:5b:00:00:00:01"}
    event = {"event_type": "assigned", "timestamp": time.strftime("%FT%TZ", time.gmtime()), "data": lease}
    with (site.dhcp / "leases.jsonl").open("a") as file:
        file.write(json.dumps(event) + "\n")
    deadline = time.monotonic() + 60
    while "02-5b-00-00-00-01" not in site.bringup("runs", "--output", "json", env_file=".env:redis/operator.env"):
        assert time.monotonic() < deadline, site.logs()
        time.sleep(1)


def test_worker_and_tailer_see_neither_the_ca_key_nor_the_secrets_of_others(site: Site) -> None:
    for service in ("worker", "tailer"):
        for name in ("pki/ca/ca-key.pem", "pki/redis", "pki/api", "redis/api.env", "redis/users.acl"):
            assert run("podman", "exec", f"bringup_{service}_1", "ls", f"/site/{name}").returncode != 0, (service, name)


def test_a_stopped_redis_comes_back_with_what_it_held(site: Site) -> None:
    run("podman", "restart", "--time=30", "bringup_redis_1")
    site.await_health()
    assert "02-5b-00-00-00-01" in site.bringup("runs", "--output", "json", env_file=".env:redis/operator.env")


def test_a_service_that_does_not_answer_is_not_healthy(site: Site) -> None:
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
