"""A real ``bringup tail`` in a process of its own, and what it leads to."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bringup.connections.redis_client import connect_redis
from bringup.model import JobKind
from bringup.queues import Queues
from bringup.settings import Settings
from bringup.tls import ClientContexts
from tests import preloaded
from tests.conftest import PASSWORD, MakeSettings, RedisServer


def wait_until(true: Callable[[], bool], *, seconds: float = 60) -> None:
    """Return as soon as ``true`` says so."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


@dataclass
class Tailer:
    """``bringup tail``: started as a user would, seen from outside."""

    path: Path
    environ: dict[str, str]
    log: Path
    settings: Settings
    _processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def state(self) -> Path:
        return Path(self.environ["STATE_DIR"])

    def start(self, *options: str, **environ: str) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            process = preloaded.start(
                ["tail", *options], cwd=self.path.parent, env={**self.environ, **environ}, log=log.fileno()
            )
        self._processes.append(process)
        return process

    def runs(self) -> list[str]:
        """The ids on the queue, in their order."""
        connection = connect_redis(self.settings, ClientContexts(), name="test")
        try:
            return Queues(connection).queue(JobKind.DISCOVER).job_ids
        finally:
            connection.close()

    def log_text(self) -> str:
        return self.log.read_text() if self.log.exists() else ""

    def append(self, lines: bytes) -> None:
        with self.path.open("ab", buffering=0) as file:
            file.write(lines)

    def end(self) -> None:
        for process in self._processes:
            if process.poll() is None:
                process.kill()
            process.wait(180)


@pytest.fixture
def tailer(tmp_path: Path, own_redis: RedisServer, make_settings: MakeSettings) -> Iterator[Tailer]:
    """Configured for a server of its own; not started, and its file is not there yet."""
    environ = {
        "REDIS_PORT": str(own_redis.port),
        "REDIS_PASSWORD": PASSWORD,
        "DHCP_SOURCE": "dnsmasq-log",
        "LEASE_MAX_AGE_H": "0",
        "DHCP_PATH": str(tmp_path / "dnsmasq.log"),
        "STATE_DIR": str(tmp_path / "state"),
        "TZ": "UTC",
        "PATH": os.environ["PATH"],
    }
    tailer = Tailer(tmp_path / "dnsmasq.log", environ, tmp_path / "tail.log", make_settings(redis_port=own_redis.port))
    yield tailer
    tailer.end()


@pytest.fixture
def hang(tailer: Tailer) -> Iterator[Callable[[], None]]:
    """Makes Redis hang: connections stay open, and nothing answers. The end of the test ends that."""
    connection = connect_redis(tailer.settings, ClientContexts(), name="test")
    pid = int(connection.info("server")["process_id"])
    connection.close()
    yield lambda: os.kill(pid, signal.SIGSTOP)
    os.kill(pid, signal.SIGCONT)


@pytest.fixture
def acks() -> Callable[[range], list[bytes]]:
    """A line for each number: a lease that no other number has."""

    def line(number: int) -> bytes:
        high, low = divmod(number, 250)
        return (
            f"2026-11-23T09:45:08.000001+00:00 vm dnsmasq-dhcp[9]: "
            f"DHCPACK(br0) 10.0.{high}.{low} 02:00:00:00:{high:02x}:{low:02x} host{number}\n"
        ).encode()

    return lambda numbers: [line(number) for number in numbers]


@pytest.fixture
def until() -> Callable[..., None]:
    """Waits for something to be true."""
    return wait_until


@pytest.fixture
def samples() -> Path:
    """Logs of real servers."""
    return Path(__file__).parents[2] / "data" / "dhcp"
