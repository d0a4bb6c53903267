"""The whole stack in processes of its own, on free loopback ports: for the demonstration and the tests."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Self

from bringup import errors, tls
from bringup.connections import api_client, redis_client
from bringup.settings import Settings, load
from bringup.settings.generated import new_secret
from bringup.settings.rules import Use, rules_for
from bringup.wire.message import Health

# How long a process may take to answer. The slowest is the API, which loads its libraries after a restart of its own;
# on a computer that runs several stacks at once it needs many times what it needs alone.
_START_S = 180.0
# How long a process may take to end after SIGTERM: services promise ten seconds (docs/running.md), and 2 s to spare.
_STOP_S = 12.0
_POLL_S = 0.05
_LOG_LINES = 5  # of a process that did not start, in the error: its own error message and what led to it
# What a process gets of our environment: enough to find programs and files, and no setting of ours.
_INHERITED = {"PATH", "HOME", "LANG", "TZ", "PYTHONPATH"}
_ROLE_OF = {"api": "api", "images": "api", "work": "worker", "tail": "tailer"}  # Redis users


class StackError(errors.BringupError):
    """A process of the stack cannot be started; the message names it and the end of its log."""


class Stack:
    """redis-server and the services of bringup, each a process, all under one folder.

    Args:
        folder: holds the settings, the data and the logs.
        settings: variables besides those that make the stack independent of everything around it.
    """

    def __init__(self, folder: Path, settings: Mapping[str, str]) -> None:
        self.folder = folder
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._variables = _own_settings(folder)
        self.configure(settings)

    def configure(self, settings: Mapping[str, str]) -> None:
        """Change variables; running processes keep those that they were started with.

        With a TLS flag on, `bringup pki setup` makes the certificates.

        Raises:
            StackError: it failed.
        """
        self._variables |= settings
        env_file = self.folder / ".env"
        env_file.touch(mode=0o600)
        env_file.write_text("".join(f"{name}={value}\n" for name, value in self._variables.items()))
        if "true" in {self._variables.get("REDIS_USE_TLS"), self._variables.get("API_USE_TLS")}:
            self.command("pki", "setup")
        # Of nobody's role: this calls the API as a person does, and has no password of Redis.
        self.settings: Settings = load(environ={}, env_file=env_file, rules=rules_for([Use.OPERATOR])).settings
        self.api = api_client.ApiClient(self.settings, tls.ClientContexts())

    def command(self, *arguments: str, role: str = "operator", check: bool = True) -> subprocess.CompletedProcess[str]:
        """The result of a command of bringup.

        Args:
            arguments: of the command line.
            role: the Redis user that it runs as, once `bringup redis-conf` has made it.
            check: a failure is an error.

        Raises:
            StackError: it failed, and ``check`` is set.
        """
        done = subprocess.run(  # noqa: S603 - our own program, no shell
            [sys.executable, "-m", "bringup", *arguments],
            cwd=self.folder,
            env=self.environment(role),
            capture_output=True,
            text=True,
            check=False,
        )
        if check and done.returncode:
            raise StackError(f"bringup {' '.join(arguments)} failed:\n{done.stderr.strip()}")
        return done

    def start_redis(self) -> None:
        """Start a real redis-server, configured by ``bringup redis-conf``. Raises StackError."""
        self.command("redis-conf", "--force", role="")
        self.run_redis()

    def run_redis(self) -> None:
        """Start a redis-server with the present configuration. Raises StackError."""
        binary = shutil.which("redis-server")
        if binary is None:
            raise StackError("redis-server is not installed; run: apt-get install redis-server")
        self._spawn("redis", [binary, "redis/redis.conf"])
        redis = redis_client.connect_redis(self.settings_of("operator"), tls.ClientContexts(), name="stack")

        def answers() -> None:
            with redis_client.redis_errors(self.settings):
                redis.ping()

        self._await("redis", answers)

    def start(self, service: str, *arguments: str) -> None:
        """Start a service of bringup: ``api``, ``work``, ``tail`` or ``simulate``. Raises StackError."""
        self.spawn(service, *arguments)
        if service == "api":
            self._await("api", lambda: self.api.get("/health", Health))

    def start_console(self, port: int, variables: Mapping[str, str]) -> None:
        """Start ``bringup console`` on ``port``, with variables that no other service has. Raises StackError."""
        command = [sys.executable, "-m", "bringup", "console"]
        self._spawn("console", command, variables={"CONSOLE_PORT": str(port), **variables})
        self._await("console", lambda: _connect(self.settings.console_host, port))

    def spawn(self, service: str, *arguments: str, name: str = "") -> None:
        """Start a service and do not wait for it. ``name``: for its log, where a service runs more than once."""
        command = [sys.executable, "-m", "bringup", service, *arguments]
        self._spawn(name or service, command, role=_ROLE_OF.get(service, ""))

    def stop(self, name: str, how: signal.Signals = signal.SIGTERM) -> int:
        """The exit status of one process, after it has ended."""
        process = self._processes.pop(name)
        process.send_signal(how)
        try:
            return process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()

    def pid(self, name: str) -> int:
        """The process id of one process."""
        return self._processes[name].pid

    def runs(self, name: str) -> bool:
        """Whether a process that was started has not ended."""
        return self._processes[name].poll() is None

    def check_all_run(self) -> None:
        """Raises StackError when a process has ended by itself."""
        for name in self._processes:
            self._check_alive(name, time.monotonic() + 1)

    def log_of(self, name: str) -> str:
        """What a process has logged so far."""
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def environment(self, role: str) -> dict[str, str]:
        """The environment of one role: no variable of the caller may change a setting of the stack."""
        kept = {name: value for name, value in os.environ.items() if name in _INHERITED}
        own = self.folder / "redis" / f"{role}.env"
        files = [self.folder / ".env", *([own] if role and own.exists() else [])]
        return kept | {"BRINGUP_ENV_FILE": os.pathsep.join(map(str, files)), "PYTHONUNBUFFERED": "1"}

    def settings_of(self, role: str) -> Settings:
        """The settings as a service of this role has them."""
        return load(environ=self.environment(role)).settings

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for name in reversed(list(self._processes)):
            self.stop(name)

    def _spawn(self, name: str, command: list[str], role: str = "", variables: Mapping[str, str] | None = None) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(  # noqa: S603 - our own programs, no shell
                command,
                cwd=self.folder,
                env=self.environment(role) | dict(variables or {}),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _await(self, name: str, answers: Callable[[], object]) -> None:
        deadline = time.monotonic() + _START_S
        while True:
            try:
                answers()
            except errors.TransientError:
                self._check_alive(name, deadline)
                time.sleep(_POLL_S)
            else:
                return

    def _check_alive(self, name: str, deadline: float) -> None:
        ended = self._processes[name].poll() is not None
        if ended or time.monotonic() > deadline:
            last = "\n".join(self.log_of(name).splitlines()[-_LOG_LINES:])
            raise StackError(f"{name} {'ended' if ended else 'did not start in time'}; its log ends with:\n{last}")


def free_port() -> int:
    """A loopback port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _connect(host: str, port: int) -> None:
    """Raises ApiUnavailable: nobody listens there."""
    try:
        socket.create_connection((host, port), timeout=_START_S).close()
    except OSError as error:
        raise errors.ApiUnavailable(f"{host}:{port} does not answer: {error}") from error


def _own_settings(folder: Path) -> dict[str, str]:
    return {
        "REDIS_PORT": str(free_port()),
        "CALLBACK_API_PORT": str(free_port()),
        "API_TOKEN": new_secret(),
        "PKI_DIR": str(folder / "pki"),
        "STATE_DIR": str(folder / "state"),
        "DEVICES_FILE": str(folder / "devices.toml"),
        "DHCP_PATH": str(folder / "dnsmasq.log"),
    }
