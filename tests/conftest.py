"""What all tests share: a real redis-server and settings that are independent of the caller's environment."""

import gc
import resource
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

import hypothesis
import pytest

from bringup import tls
from bringup.connections.redis_client import connect_redis
from bringup.settings import Settings, load

# How long an example takes says how busy the machine is, and nothing about what is tested.
hypothesis.settings.register_profile("without-deadline", deadline=None)
# For `scripts/test --fast`, which runs before each commit: a tenth of the examples that the whole suite tries.
hypothesis.settings.register_profile("few-examples", deadline=None, max_examples=10)
hypothesis.settings.load_profile("without-deadline")

PASSWORD = "a-password-of-the-tests"
TOKEN = "an-api-token-of-the-tests"


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Collect without looking for garbage, and never look for it in what was collected: two fifths of the time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()


# Below those that Linux gives to outgoing connections (ip_local_port_range, from 32768): one of them may take any port
# of that range before the server is started that it was picked for, or while the server is away.
_PORTS = range(10_240, 32_768)
_BLOCK = 256  # more than one worker of pytest has in use at once; the range has 88 of them


def free_port() -> int:
    """A loopback port that nobody listens on now, and that no other worker of pytest picks meanwhile."""
    return next(port for port in _own_ports() if _is_free(port))


@cache
def _own_ports() -> Iterator[int]:
    """The ports of a block that this process has for as long as it runs, over and over."""
    for first in _PORTS[::_BLOCK]:
        with socket.socket() as claim, suppress(OSError):
            claim.bind(("", first))  # the process that has the first port has the block
            while True:
                yield from range(first + 1, first + _BLOCK)
    raise RuntimeError(f"every block of {_BLOCK} ports from {_PORTS.start} is in use")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True


# A write beyond RLIMIT_FSIZE is to fail, as on a full disk, and not to end the process; exec keeps what is ignored.
IGNORING_XFSZ = 'trap \'\' XFSZ; exec "$0" "$@"'


@contextmanager
def full_disk(pid: int) -> Iterator[None]:
    """The process cannot make any file longer: EFBIG, which programs treat as they treat a full disk."""
    unlimited = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (1, unlimited[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, unlimited)


class RedisServer:
    """A real redis-server with a password, on a free loopback port; it can be stopped and started again."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *options: str) -> None:
        """Start it, on the data that is there. A missing binary fails the test: it is never a silent skip.

        Args:
            options: of redis-server's command line, as ``--name value``.
        """
        binary = shutil.which("redis-server")
        assert binary, "redis-server is not installed; run scripts/setup"
        config = self._folder / "redis.conf"
        config.write_text(
            f"bind 127.0.0.1\nport {self.port}\nrequirepass {PASSWORD}\ndir {self._folder}\n"
            'appendonly yes\nappendfsync always\nsave ""\n'
        )
        with (self._folder / "redis.log").open("ab") as log:
            command = ["sh", "-c", IGNORING_XFSZ, binary, str(config), *options]
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        deadline = time.monotonic() + 180
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)
        raise AssertionError("redis-server did not start")

    @contextmanager
    def full_disk(self) -> Iterator[None]:
        """Its disk is full for a while."""
        assert self._process
        with full_disk(self._process.pid):
            yield

    def kill(self) -> None:
        """SIGKILL, as a crash would."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None


@pytest.fixture(scope="session")
def shared_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """One server for all tests that do not stop it."""
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A server for one test, which may kill it."""
    server = RedisServer(tmp_path)
    server.start()
    yield server
    server.kill()


MakeSettings = Callable[..., Settings]


@pytest.fixture
def make_settings(tmp_path: Path) -> MakeSettings:
    """Settings from keyword arguments alone: nothing of the caller's environment, nothing of any .env."""

    def make(**variables: object) -> Settings:
        given = {
            "API_TOKEN": TOKEN,
            "REDIS_PASSWORD": PASSWORD,
            "STATE_DIR": str(tmp_path / "state"),
            "DEVICES_FILE": str(tmp_path / "devices.toml"),
            **{name.upper(): str(value) for name, value in variables.items()},
        }
        return load(environ=given, env_file=_no_file(tmp_path)).settings

    return make


def _no_file(folder: Path) -> Path:
    path = folder / "empty.env"
    path.touch()
    return path


@pytest.fixture
def settings(make_settings: MakeSettings, shared_redis: RedisServer) -> Settings:
    """Settings for the shared server, whose data is cleared first."""
    made = make_settings(redis_port=shared_redis.port)
    connect_redis(made, tls.ClientContexts(), name="tests").flushall()
    return made
