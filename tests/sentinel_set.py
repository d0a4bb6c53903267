"""A real installation of Redis with Sentinel, for tests: one master, replicas and three sentinels on 127.0.0.1.

    with SentinelSet(folder, use_tls=True) as redis:
        settings = redis.settings()       # what a service is configured with; redis.settings("tailer") as that user
        redis.variables                   # the same, as environment variables, without a user of Redis
        redis.variables_of("worker")      # with one, for `bringup` in a process of its own
        redis.redis_variables             # of these, what concerns Redis and its certificates
        old = redis.master()              # the server that the sentinels name now
        redis.kill(old)                   # SIGKILL; the sentinels make another one the master
        seconds = redis.await_master(old) # until they name another master that takes writes
        redis.start(old)                  # comes back, and follows the new master
        redis.await_replicas(2)           # until so many replicas follow
        redis.promote()                   # a failover although the master lives
        redis.pause(old); redis.resume(old)   # SIGSTOP and SIGCONT: alive for the kernel, silent for everybody else

Everything is configured by ``bringup redis-conf``, as a user does it on three hosts. The servers end with the block.
"""

import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

import redis
from dotenv import dotenv_values

from bringup import tls
from bringup.connections.redis_client import connect_redis
from bringup.connections.sentinel import Sentinels, View
from bringup.settings import Settings, load
from tests.administrator import ADMINISTRATOR, LINE, PASSWORD
from tests.conftest import TOKEN, free_port
from tests.in_process import command

SENTINEL_PASSWORD = "a-password-of-the-sentinels"
_START_S = 180.0  # generous: these machines are shared
# How long a failover on request is given before it is asked for again; it takes a second or two.
_ASK_AGAIN_S = 15.0
_FAILOVER_S = 180.0
_DOWN_AFTER_MS = 3000  # as `bringup redis-conf` writes it
_POLL_S = 0.05  # each look opens connections, with TLS: more of them would take the processor from the servers


class SentinelSet:
    """See the module."""

    def __init__(self, folder: Path, *, use_tls: bool = False, replicas: int = 2, host: str = "127.0.0.1") -> None:
        self.folder = folder
        self._host = host
        ports = [free_port() for _ in range(3 + 1 + replicas)]
        self.sentinels, self.ports = ports[:3], ports[3:]
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self.redis_variables = {
            "REDIS_HOST": host,
            "REDIS_PORT": str(self.ports[0]),
            "REDIS_SENTINELS": ",".join(f"{host}:{port}" for port in self.sentinels),
            "REDIS_SENTINEL_PASSWORD": SENTINEL_PASSWORD,
            "REDIS_USE_TLS": str(use_tls).lower(),
            "PKI_DIR": str(folder / "pki"),
        }
        self.variables = self.redis_variables | {
            "API_TOKEN": TOKEN,
            "STATE_DIR": str(folder / "state"),
            "DEVICES_FILE": str(folder / "devices.toml"),
        }
        self._use_tls = use_tls
        self._first = folder / f"host-{self.ports[0]}"

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._configure()
        for port in [*self.ports, *self.sentinels]:
            self.start(port)
        self.await_replicas(len(self.ports) - 1)
        self._await("all sentinels know each other", self._is_whole)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._processes.values():
            process.kill()
        for process in self._processes.values():
            process.wait()

    def settings(self, role: str = "", **more: object) -> Settings:
        """As a service has them, as the Redis user ``role``."""
        given = (self.variables_of(role) if role else self.variables) | {
            name.upper(): str(value) for name, value in more.items()
        }
        return load(environ=given, env_file=self._no_file()).settings

    def variables_of(self, role: str) -> dict[str, str]:
        """The environment of a service: as that Redis user, with its password."""
        if role == ADMINISTRATOR:
            return self.variables | {"REDIS_USERNAME": role, "REDIS_PASSWORD": PASSWORD}
        own = dotenv_values(self._first / f"{role}.env")
        return self.variables | {name: value for name, value in own.items() if value}

    def copy_passwords(self, folder: Path) -> None:
        """What every other host of Redis gets, and a site's folder."""
        folder.mkdir(parents=True, exist_ok=True)
        for path in [*self._first.glob("*.env"), self._first / "keeper.password"]:
            shutil.copy(path, folder)

    def view(self) -> View:
        """The master and its replicas, as a sentinel sees them now. Raises redis.ConnectionError."""
        return Sentinels(self.settings(), tls.ClientContexts(), name="tests").view(fresh=True)

    def master(self) -> int:
        """The port of the server that the sentinels name as the master."""
        self._await("a master", lambda: self._quietly(self.view))
        return self.view().master[1]

    def replicas(self) -> list[int]:
        """The ports of the other servers."""
        master = self.master()
        return [port for port in self.ports if port != master]

    def kill(self, port: int) -> None:
        """End a server as a crash does."""
        process = self._processes.pop(port)
        process.kill()
        process.wait()

    def pause(self, port: int) -> None:
        """Stop a server in its tracks; its connections stay open."""
        self._processes[port].send_signal(signal.SIGSTOP)

    def resume(self, port: int) -> None:
        """Let it go on."""
        self._processes[port].send_signal(signal.SIGCONT)

    def start(self, port: int) -> None:
        """Start a server or a sentinel with the configuration and data that are there."""
        binary = shutil.which("redis-server")
        assert binary, "redis-server is not installed; run scripts/setup"
        folder = self.folder / self._name(port)
        what = [str(folder / "sentinel.conf"), "--sentinel"] if port in self.sentinels else [str(folder / "redis.conf")]
        with (self.folder / f"{port}.log").open("ab") as log:
            self._processes[port] = subprocess.Popen([binary, *what], stdout=log, stderr=log)
        self._await(f"port {port}", lambda: _listens(port))

    def await_master(self, other_than: int) -> float:
        """Wait until the sentinels name another master; the time (monotonic) at which they did."""
        self._await(f"a master other than {other_than}", lambda: self._is_master_other_than(other_than), _FAILOVER_S)
        return time.monotonic()

    def await_replicas(self, count: int) -> None:
        """Wait until so many replicas follow the master, and have on their disk what they were sent.

        After a full copy a replica writes its append-only file anew; killed before that, it starts with older data.
        """
        self._await(f"{count} replicas", lambda: self._quietly(lambda: self._follow(count)), _FAILOVER_S)

    def fail_over(self) -> tuple[int, float]:
        """Kill the master and wait for the next one; the port of the old one, and when (monotonic) the next one was."""
        old = self.master()
        self.kill(old)
        return old, self.await_master(old)

    def promote(self) -> int:
        """Make another server the master although this one lives; the port of the one that has to go.

        A sentinel gives a failover up without an error when no replica is ready soon enough: then it is asked again.
        """
        old = self.master()
        sentinel, name = self._sentinel_admins()[0], self.settings().redis_sentinel_name
        again_at = 0.0

        def promoted() -> bool:
            nonlocal again_at
            if time.monotonic() >= again_at:
                again_at = time.monotonic() + _ASK_AGAIN_S
                with suppress(redis.ResponseError):  # one is under way, or no replica is fit now
                    sentinel.execute_command("SENTINEL FAILOVER", name)  # type: ignore[no-untyped-call]
            return self._is_master_other_than(old)

        self._await(f"a master other than {old}", promoted, 2 * _FAILOVER_S)
        return old

    def admin(self, port: int) -> "redis.Redis":
        """The server at ``port`` itself, whatever its role, with every right that the set's own user has."""
        settings = self.settings(ADMINISTRATOR, redis_port=port, redis_sentinels="")
        return connect_redis(settings, tls.ClientContexts(), name="tests")

    @contextmanager
    def taking_nobody_for_dead(self) -> Iterator[None]:
        """A server that is silent for long is no reason for the sentinels to count without it meanwhile."""
        self._set_down_after(600_000)
        try:
            yield
        finally:
            self._set_down_after(_DOWN_AFTER_MS)

    def _set_down_after(self, milliseconds: int) -> None:
        for sentinel in self._sentinel_admins():
            option = (self.settings().redis_sentinel_name, "down-after-milliseconds", milliseconds)
            sentinel.execute_command("SENTINEL SET", *option)  # type: ignore[no-untyped-call]

    def _sentinel_admins(self) -> list["redis.Redis"]:
        """The sentinels, with every right."""
        found = Sentinels(self.settings(), tls.ClientContexts(), name="tests").manager.sentinels
        for sentinel in found:
            sentinel.connection_pool.connection_kwargs |= {"username": ADMINISTRATOR, "password": PASSWORD}
        return found

    def offset(self, port: int) -> int:
        """How far the server at ``port`` is in the stream of changes."""
        return int(self.admin(port).info("replication")["master_repl_offset"])

    def log_of(self, port: int) -> str:
        """What a server has logged."""
        return (self.folder / f"{port}.log").read_text(errors="replace")

    def _configure(self) -> None:
        (self.folder / "devices.toml").touch()
        if self._use_tls:
            self._bringup("pki", "setup", "--dev")
        for redis_port, sentinel_port in zip(self.ports, self._sentinels_for_each(), strict=True):
            if redis_port != self.ports[0]:
                self.copy_passwords(self.folder / f"host-{redis_port}")
            arguments = ["--folder", str(self.folder / f"host-{redis_port}"), "--address", f"{self._host}:{redis_port}"]
            self._bringup("redis-conf", *arguments, "--sentinel-address", f"{self._host}:{sentinel_port}")
            self._add_administrator(self.folder / f"host-{redis_port}")

    def _add_administrator(self, folder: Path) -> None:
        """The test does what no role of ours may do: a user of its own beside those that are shipped."""
        for path in (folder / "users.acl", folder / "sentinel.acl"):
            if path.exists():
                with path.open("a") as acl:
                    acl.write(LINE)

    def _sentinels_for_each(self) -> list[int]:
        """One beside each Redis; what is beyond the third has its file, and is not started."""
        return [*self.sentinels, *[self.sentinels[0]] * len(self.ports)][: len(self.ports)]

    def _name(self, port: int) -> str:
        beside = dict(zip(self.sentinels, self.ports, strict=False))
        return f"host-{beside.get(port, port)}"

    def _bringup(self, *arguments: str) -> None:
        environ = {"PATH": "/usr/bin:/bin", "BRINGUP_ENV_FILE": str(self._no_file())} | self.variables
        # The certificates that REDIS_USE_TLS asks for are made by the first of these commands.
        done = command(arguments, environ, self.folder)
        assert done.returncode == 0, done.stderr

    def _no_file(self) -> Path:
        path = self.folder / "empty.env"
        path.touch()
        return path

    def _is_whole(self) -> bool:
        manager = Sentinels(self.settings(), tls.ClientContexts(), name="tests").manager
        name = self.settings().redis_sentinel_name
        states = [cast("dict[str, Any]", one.sentinel_master(name)) for one in manager.sentinels]
        others, replicas = len(self.sentinels) - 1, len(self.ports) - 1
        return all(one["num-other-sentinels"] == others and one["num-slaves"] == replicas for one in states)

    def _follow(self, count: int) -> bool:
        following = self.view().following
        return len(following) >= count and all(self._is_on_disk(port) for _, port in following)

    def _is_on_disk(self, port: int) -> bool:
        """The replica itself is asked for its link: the sentinels may still speak of the one before its restart."""
        server = self.admin(port)
        if server.info("replication").get("master_link_status") != "up":
            return False
        state = server.info("persistence")
        return bool(state["aof_enabled"]) and not (state["aof_rewrite_in_progress"] or state["aof_rewrite_scheduled"])

    def _is_master_other_than(self, port: int) -> bool:
        return bool(self._quietly(lambda: self.view().master[1] != port))

    @staticmethod
    def _quietly(ask: Callable[[], object]) -> object:
        try:
            return ask()
        except redis.RedisError:
            return None

    def _await(self, what: str, holds: Callable[[], object], within_s: float = _START_S) -> None:
        deadline = time.monotonic() + within_s
        while not holds():
            assert time.monotonic() < deadline, f"not within {within_s} s: {what}"
            time.sleep(_POLL_S)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
