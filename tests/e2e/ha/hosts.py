"""The hosts of a site that may lose any of them, each in a network namespace: what runs where, how one is lost."""

import os
import shutil
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import redis

from bringup import errors, tls
from bringup.connections.redis_client import connect_redis
from bringup.connections.sentinel import Sentinels
from bringup_cli.demo.stack import Stack
from tests.administrator import ADMINISTRATOR, LINE, add_administrator
from tests.e2e.chaos.record import Record
from tests.e2e.chaos.supervisor import Supervisor
from tests.e2e.site.network import Network

REDIS_PORT, SENTINEL_PORT, API_PORT, BMC_PORT = 6379, 26379, 5000, 9000
LAB = "lab"  # the simulated machines and their BMCs: never lost
_WITH_REDIS = ("h1", "h2", "h3")
_WITH_API = ("h1", "h2")
# Service, by name@host. Each Redis has a sentinel beside it; d1 and d2 are a pair of DHCP servers, with a tailer each.
SERVICES: Mapping[str, tuple[str, ...]] = {
    **{f"redis@{host}": ("redis-server",) for host in _WITH_REDIS},
    **{f"sentinel@{host}": ("redis-server",) for host in _WITH_REDIS},
    **{f"api@{host}": ("api",) for host in _WITH_API},
    f"simulate@{LAB}": ("simulate", "--boot-seconds", "1", "--check-seconds", "0.5", "--power-log", "power.jsonl"),
    "work@h2": ("work",),
    "work@h3": ("work",),
    "tail@d1": ("tail",),
    "tail@d2": ("tail",),
}
HOSTS = tuple(dict.fromkeys(name.partition("@")[2] for name in SERVICES))
LOSABLE = tuple(host for host in HOSTS if host != LAB)
_ROLE_OF = {"api": "api", "work": "worker", "tail": "tailer"}  # Redis users
_WHOLE_S = 120.0
# The name of the host is its own, too: by it API hosts and tailers are distinguished.
_AS_HOST = ("unshare", "--uts", "sh", "-c", 'hostname "$0" && exec "$@"')


class HostStack(Stack):
    """A stack whose processes run on hosts with an address each; a service is named ``api@h1``."""

    def __init__(self, folder: Path, network: Network, settings: Mapping[str, str]) -> None:
        self._network = network
        addresses = {host: network.address(host) for host in HOSTS}
        scheme = "https" if settings.get("API_USE_TLS") == "true" else "http"
        site = {
            "REDIS_HOST": addresses["h1"],
            "REDIS_PORT": str(REDIS_PORT),
            "REDIS_SENTINELS": ",".join(f"{addresses[host]}:{SENTINEL_PORT}" for host in _WITH_REDIS),
            "REDIS_SENTINEL_PASSWORD": "a-password-of-the-sentinels",
            "CALLBACK_API_PORT": str(API_PORT),
            "CALLBACK_API_URL": ",".join(f"{scheme}://{addresses[host]}:{API_PORT}" for host in _WITH_API),
        }
        super().__init__(folder, {**site, **settings})

    def configure_redis(self) -> None:
        """What `bringup redis-conf` makes of the settings on each host, with one user more that the test has."""
        for host in _WITH_REDIS:
            own, address = self._redis_folder(host), self._network.address(host)
            if host != _WITH_REDIS[0]:
                self._copy_passwords(own)
            self.command(
                *("redis-conf", "--folder", str(own), "--bind", f"127.0.0.1 {address}"),
                *("--address", f"{address}:{REDIS_PORT}", "--sentinel-address", f"{address}:{SENTINEL_PORT}"),
                role="",
            )
            for name in ("users.acl", "sentinel.acl"):
                with (own / name).open("a") as acl:
                    acl.write(LINE)
        self._copy_passwords(self.folder / "redis")
        add_administrator(self)

    def spawn(self, service: str, *arguments: str, name: str = "") -> None:
        """Start a service on its host and do not wait for it."""
        kind, _, host = name.partition("@")
        command = [*self._network.on(host), *_AS_HOST, host, *self._command(kind, host, service), *arguments]
        own = {"STATE_DIR": str(self.folder / "state" / host), "CALLBACK_API_HOST": self._network.address(host)}
        self._spawn(name, command, _ROLE_OF.get(kind, ""), own)

    def await_redis(self) -> None:
        """Return when two replicas follow the master, and have on their disk what they were sent."""
        deadline = time.monotonic() + _WHOLE_S
        while not self._redis_is_whole():
            assert time.monotonic() < deadline, f"two replicas do not follow the master within {_WHOLE_S} s"
            time.sleep(0.5)

    def _command(self, kind: str, host: str, service: str) -> Iterator[str]:
        if kind in {"redis", "sentinel"}:
            binary = shutil.which("redis-server")
            assert binary, "redis-server is not installed; run scripts/setup"
            yield binary
            yield str(self._redis_folder(host) / f"{kind}.conf")
            yield from ("--sentinel",) if kind == "sentinel" else ()
            return
        yield from (os.fspath(Path(shutil.which("bringup") or "bringup")), service)

    def _redis_folder(self, host: str) -> Path:
        return self.folder / f"redis-{host}"

    def _copy_passwords(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        first = self._redis_folder(_WITH_REDIS[0])
        for path in [*first.glob("*.env"), first / "keeper.password"]:
            shutil.copy(path, folder)

    def _redis_is_whole(self) -> bool:
        settings = self.settings_of(ADMINISTRATOR)
        try:
            following = Sentinels(settings, tls.ClientContexts(), name="tests").view(fresh=True).following
            if len(following) < len(_WITH_REDIS) - 1:
                return False
            for address, port in following:
                own = {"redis_host": address, "redis_port": port, "redis_sentinels": ""}
                server = connect_redis(settings.model_copy(update=own), tls.ClientContexts(), name="tests")
                state = server.info("persistence")
                if state["aof_rewrite_in_progress"] or state["aof_rewrite_scheduled"]:
                    return False
                if server.info("replication").get("master_link_status") != "up":
                    return False
        except (redis.RedisError, errors.BringupError):
            return False
        return True


class HostSupervisor(Supervisor):
    """Starts what ends again, as systemd does, but not on a host that is off."""

    def __init__(self, stack: HostStack, network: Network, record: Record) -> None:
        super().__init__(stack, SERVICES, record)
        self._network = network
        self._off: str | None = None

    def switch_off(self, host: str) -> None:
        """A host loses its power: no packet comes from it any more, not even one that ends a connection."""
        self._off = host
        self._network.cut(host)
        for name in self._on(host):
            pid = self.pid(name)
            self._killed.add(pid)
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)

    def switch_on(self, host: str) -> None:
        """It has its power again, and starts what it has."""
        self._network.connect(host)
        with self._lock:
            for name in self._on(host):
                self._stack.stop(name)
                self._spawn(name)
            self._off = None

    def _restart(self, name: str) -> None:
        if name.partition("@")[2] != self._off:
            super()._restart(name)

    def _on(self, host: str) -> list[str]:
        return [name for name in SERVICES if name.endswith(f"@{host}")]
