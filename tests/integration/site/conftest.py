"""A site of several hosts, each in a folder of its own, with real services between them."""

import os
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from bringup import errors, tls
from bringup.connections.api_client import ApiClient
from bringup.settings import Settings, load, pki_rules
from bringup.wire.machine import AREA_HEAD, AREA_SIZE
from bringup.wire.message import Health
from bringup_cli.root import cli
from bringup_cli.site import enroll, redis_users
from bringup_cli.site.join import Joined, join
from bringup_cli.site.registry import Host, HostRole, Registry
from pki.session import CaSession
from pki.store import Store
from tests import preloaded
from tests.conftest import free_port

SERVERS = {HostRole.REDIS, HostRole.API, HostRole.IMAGES, HostRole.CONSOLE}
# Seconds for a service to answer on a computer that runs many at once.
START_S = 180


class SeveralHosts:
    """The CA's host, and what has joined. Commands run as people run them; files are not encrypted on the way."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ca = folder / "ca"
        self.ca.mkdir()
        self.env_file = self.ca / ".env"
        port = free_port()
        self.env_file.write_text(
            f"REDIS_USE_TLS=true\nAPI_USE_TLS=true\nREDIS_PORT={free_port()}\nCALLBACK_API_PORT={port}\n"
            f"CALLBACK_API_URL=https://127.0.0.1:{port}\n"
            f"IMAGE_PORT={free_port()}\nVALIDATION_IMAGE=elsewhere.iso\n"
            f"PKI_DIR={self.ca}/pki\nAPI_TOKEN={'the-token-of-a-site-' * 2}end\nAPI_WORKERS=1\n"
            f"ENVIRONMENT=development\nREDIS_PASSWORD=notusedbyanyhost1234\nDHCP_PATH={folder}/leases.jsonl\n"
            "DHCP_SOURCE=jsonl\n"
        )
        self.env_file.chmod(0o600)
        self.bringup("pki", "setup")
        self.settings: Settings = load({}, self.env_file, rules=pki_rules).settings
        self.store = Store(self.settings.pki_dir)
        self.hosts: dict[str, Joined] = {}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def bringup(self, *arguments: str, env_file: Path | None = None, exit_code: int = 0) -> str:
        """The output of a command."""
        found = CliRunner().invoke(cli, ["--env-file", str(env_file or self.env_file), *arguments])
        assert found.exit_code == exit_code, f"{arguments}: {found.output}\n{found.exception!r}"
        return found.output

    def enroll(self, name: str, *roles: HostRole) -> tuple[Host, dict[str, bytes]]:
        """As `bringup site enroll`, with its users in Redis where that runs."""
        now = datetime.now(UTC)
        sans = ("127.0.0.1",) if SERVERS & set(roles) else ()
        with CaSession.open(self.store, "test", now) as session:
            registry = Registry.read(self.store)
            host = registry.enrolled(name, roles, sans, now=now, use_until=now + timedelta(hours=1))
            registry = registry.with_host(host).model_copy(update={"keeper": registry.keeper or "k" * 32})
            enroll.certify(session, host, None, renew_days=30)
            registry.put(session)
            session.commit()
        if "r1" in self.processes:
            keeper = redis_users.Keeper(self.settings, registry.keeper)
            assert redis_users.everywhere(keeper, lambda one: keeper.set_users(one, enroll.user_lines(host))) == {}
        return host, enroll.bundle_files(self.store, registry, self.settings, host, with_keys=True)

    def add(self, name: str, *roles: HostRole) -> Joined:
        """A host that is enrolled and has joined."""
        host, files = self.enroll(name, *roles)
        now = datetime.now(UTC)
        (self.folder / name).mkdir(exist_ok=True)
        (self.folder / name / "bringup-validation.iso").write_bytes(bytes(32_768) + AREA_HEAD.ljust(AREA_SIZE))
        self.hosts[name] = join(self.folder / name, enroll.manifest_of(host, now), files, now)
        return self.hosts[name]

    def settings_of(self, name: str, role: HostRole) -> Settings:
        return load({}, self.hosts[name].env_file(role)).settings

    def start(self, name: str, role: HostRole) -> None:
        """Start the service of a host, as its service unit would."""
        joined = self.hosts[name]
        command = joined.start_command(role).split()
        environ = {"PATH": os.environ["PATH"]}
        with (joined.folder / f"{role}.log").open("ab") as log:
            if command[0] == "bringup":
                started = preloaded.start(command[1:], cwd=joined.folder, env=environ, log=log.fileno())
            else:
                started = subprocess.Popen(command, cwd=joined.folder, env=environ, stdout=log, stderr=log)
        self.processes[name] = started

    def log_of(self, name: str, role: HostRole) -> str:
        return (self.hosts[name].folder / f"{role}.log").read_text(errors="replace")

    def start_servers(self) -> None:
        """Redis on r1, the API on a1."""
        self.add("r1", HostRole.REDIS)
        self.start("r1", HostRole.REDIS)
        keeper = redis_users.Keeper(self.settings, Registry.read(self.store).keeper)
        eventually(lambda: redis_users.everywhere(keeper, lambda one: keeper.set_users(one, ())) == {}, "Redis")
        self.add("a1", HostRole.API)
        devices = "".join(
            f'[[device]]\nname = "m{n}"\nbmc_mac = "02:00:00:00:00:{n:02x}"\n'
            f'bmc = "simulated://m{n}"\nstate = "active"\n'
            for n in range(40)
        )
        (self.hosts["a1"].folder / "devices.toml").write_text(devices)
        self.start("a1", HostRole.API)

    def await_api(self, api: ApiClient) -> None:
        eventually(lambda: _answers(api) or self.processes["a1"].poll() is not None, "the API")
        assert self.processes["a1"].poll() is None, self.log_of("a1", HostRole.API)

    def stop(self) -> None:
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(180)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def api_of(settings: Settings) -> ApiClient:
    return ApiClient(settings, tls.ClientContexts())


def eventually(holds: object, what: str, within_s: float = START_S) -> None:
    """Wait until it holds."""
    assert callable(holds)
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, f"not within {within_s} s: {what}"
        time.sleep(0.1)


def _answers(api: ApiClient) -> bool:
    try:
        api.get("/health", Health)
    except errors.TransientError:
        return False
    return True


@pytest.fixture
def several(tmp_path: Path) -> Iterator[SeveralHosts]:
    made = SeveralHosts(tmp_path)
    yield made
    made.stop()
