"""Three hosts and the CA's, each with a folder and an address of its own, and certificates that live for minutes."""

import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509

from bringup import errors, tls
from bringup.connections.api_client import ApiClient
from bringup.settings import Settings, load, pki_rules
from bringup.wire.message import Health
from bringup.wire.run import RunList
from bringup_cli.site import enroll
from bringup_cli.site.host_files import HostFolder
from bringup_cli.site.join import join
from bringup_cli.site.registry import HostRole, Registry
from pki.names import Identity
from pki.profile import Validity
from pki.session import CaSession
from pki.store import Store
from tests.conftest import free_port
from tests.e2e.site.network import Network

HOSTS = {"r1": (HostRole.REDIS,), "a1": (HostRole.API,), "w1": (HostRole.WORKER, HostRole.TAILER)}
CA = "ca"  # its folder, and its namespace
_DAY_S = 24 * 60 * 60
# Seconds for a service to start on a computer that runs many at once.
START_S = 90


def eventually(holds: Callable[[], object], within_s: float, what: Callable[[], str] | str) -> None:
    deadline = time.monotonic() + within_s
    while not holds():
        why = what if isinstance(what, str) else "" if time.monotonic() < deadline else what()
        assert time.monotonic() < deadline, f"not within {within_s} s: {why}"
        time.sleep(0.3)


class ThreeHosts:
    """Started once by `start`; what happens afterwards, timers do."""

    def __init__(self, folder: Path, life_s: float) -> None:
        self.folder = folder
        self.network = Network(CA, *HOSTS)
        self.life_s = life_s
        self.ca = folder / CA
        self.ca.mkdir()
        (folder / "leases.jsonl").touch()
        self.env_file = self.ca / ".env"
        port, redis, api = free_port(), self.network.address("r1"), self.network.address("a1")
        self.env_file.write_text(
            f"REDIS_USE_TLS=true\nAPI_USE_TLS=true\nREDIS_PORT={free_port()}\nCALLBACK_API_PORT={port}\n"
            f"CALLBACK_API_URL=https://{api}:{port}\nCALLBACK_API_HOST={api}\nREDIS_HOST={redis}\n"
            f"PKI_DIR={self.ca}/pki\nAPI_TOKEN={'t' * 16}okenofthesite\nAPI_WORKERS=1\nENVIRONMENT=development\n"
            f"REDIS_PASSWORD=notusedbyanyhost1234\nDHCP_PATH={folder}/leases.jsonl\nDHCP_SOURCE=jsonl\n"
            "RETRY_MIN_S=1\nRETRY_MAX_S=2\n"
        )
        self.env_file.chmod(0o600)
        self.bringup("pki", "setup")
        self.settings: Settings = load({}, self.env_file, rules=pki_rules).settings
        self.store = Store(self.settings.pki_dir)
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def days(self) -> float:
        return self.life_s / _DAY_S

    def bringup(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "bringup", "--env-file", str(self.env_file), *arguments],
            cwd=self.ca,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def enroll(self) -> None:
        """Every host joins, with certificates of this life."""
        now = datetime.now(UTC)
        validity = Validity(self.days, self.settings.ca_validity_days, self.settings.crl_days)
        with CaSession.open(self.store, "test", now, validity=validity) as session:
            registry = Registry(keeper="k" * 32)
            for name, roles in HOSTS.items():
                sans = () if HostRole.WORKER in roles else (self.network.address(name),)
                host = registry.enrolled(name, roles, sans, now=now, use_until=now + timedelta(hours=1))
                registry = registry.with_host(host)
                enroll.certify(session, host, None, renew_days=0)
            registry.put(session)
            session.commit()
        for host in registry.hosts.values():
            files = enroll.bundle_files(self.store, registry, self.settings, host, with_keys=True)
            join(self.folder / host.name, enroll.manifest_of(host, now), files, now)
        with (self.folder / "w1/tailer.env").open("a") as settings:
            settings.write(f"DHCP_PATH={self.folder}/leases.jsonl\n")  # where the log is, a person sets on each host
        (self.folder / "a1/devices.toml").touch()
        (self.folder / "w1/devices.toml").touch()

    def start(self) -> None:
        """The services, and a timer on each host."""
        redis = shutil.which("redis-server")
        assert redis
        self._spawn("redis", "r1", redis, "redis/redis.conf")
        self._service("api", "a1", HostRole.API)
        self.start_timers()
        self.await_api()
        self._service("work", "w1", HostRole.WORKER)
        self._service("tail", "w1", HostRole.TAILER)

    def start_timers(self) -> None:
        self._spawn("sign", CA, *self._command(self.env_file), "site", "sign", "--watch", "3", "--days", str(self.days))
        for name in HOSTS:
            self._spawn(
                f"renew-{name}", name, *self._command(), "site", "renew", str(self.folder / name), "--watch", "3"
            )

    def await_api(self) -> None:
        api = self.api()
        eventually(lambda: answers(api), START_S, lambda: self.log("api"))

    def api(self) -> ApiClient:
        """As the worker calls it."""
        settings = load({}, self.folder / "w1/worker.env").settings
        return ApiClient(settings, tls.ClientContexts())

    def host(self, name: str) -> HostFolder:
        return HostFolder.read(self.folder / name)

    def serials(self) -> dict[str, int]:
        """Of the certificate that each identity has now."""
        hosts = [self.host(name) for name in HOSTS]
        return {one.dns: host.certificate(one).serial_number for host in hosts for one in host.identities}

    def served(self, port: int, identity: Identity) -> bool:
        """Whether the server on a port presents the certificate that this identity has on its host now."""
        host, address = self.host(identity.name), self.network.address(identity.name)
        own = self.host("w1").files(self.host("w1").itself)
        context = ssl.create_default_context(cafile=host.ca)
        context.load_cert_chain(own.certificate, own.key)
        with (
            socket.create_connection((address, port), timeout=10) as plain,
            context.wrap_socket(plain, server_hostname=address) as secured,
        ):
            presented = x509.load_der_x509_certificate(secured.getpeercert(binary_form=True) or b"")
        return presented == host.certificate(identity)

    def lease(self, number: int) -> None:
        """A machine that is not known gets a lease: a run of it is audited at once."""
        event = {
            "event_type": "lease_assigned",
            "timestamp": datetime.now(UTC).isoformat(),
            "data": {"ip": f"10.0.{number // 256}.{number % 256}", "mac": mac(number), "hostname": "h"},
        }
        with (self.folder / "leases.jsonl").open("a") as log:
            log.write(json.dumps(event) + "\n")

    def taken_up(self) -> set[str]:
        """The MACs that have a run."""
        try:
            return {str(run.mac) for run in self.api().get("/runs?limit=10000", RunList).runs}
        except errors.TransientError:
            return set()

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")[-4000:]

    def stop(self) -> None:
        for process in reversed(self.processes.values()):
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.network.remove()

    def _service(self, command: str, host: str, role: HostRole) -> None:
        self._spawn(command, host, *self._command(self.folder / host / f"{role}.env"), command)

    def _command(self, env_file: Path | None = None) -> tuple[str, ...]:
        return (sys.executable, "-m", "bringup", *(("--env-file", str(env_file)) if env_file else ()))

    def _spawn(self, name: str, host: str, *command: str) -> None:
        """``ip netns exec`` becomes the command: its process is that of the service."""
        with (self.folder / f"{name}.log").open("ab") as log:
            environ = {"PATH": os.environ["PATH"], "PYTHONUNBUFFERED": "1"}
            self.processes[name] = subprocess.Popen(
                (*self.network.on(host), *command), cwd=self.folder / host, env=environ, stdout=log, stderr=log
            )


def mac(number: int) -> str:
    return f"02:00:00:00:{number // 256:02x}:{number % 256:02x}"


def answers(api: ApiClient) -> bool:
    try:
        api.get("/health", Health)
    except errors.TransientError:
        return False
    return True
