"""The API as its users meet it: gunicorn in a process of its own."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from bringup import tls
from bringup.connections.api_client import ApiClient
from bringup.errors import ApiUnavailable
from bringup.settings import Settings, load
from bringup.wire.message import Health
from tests import preloaded
from tests.conftest import PASSWORD, TOKEN, RedisServer, free_port
from tests.integration.api.conftest import INVENTORY
from tests.integration.workers.site import with_clock

StartApi = Callable[..., "ServedApi"]


class ServedApi:
    """One API server process.

    Args:
        options: of ``bringup api``.
        clock: see `tests.integration.workers.site.with_clock`.
    """

    def __init__(self, folder: Path, variables: dict[str, str], options: tuple[str, ...] = (), clock: str = "") -> None:
        self.port = int(variables["CALLBACK_API_PORT"])
        self.variables = variables
        self._folder = folder
        self.log = folder / "api.log"
        environ = {"PATH": os.environ["PATH"], "BRINGUP_ENV_FILE": str(folder / "empty.env"), **variables}
        with self.log.open("ab") as log:
            self.process = preloaded.start(
                ["api", *options], cwd=folder, env=environ | with_clock(clock), log=log.fileno(), start_new_session=True
            )

    def kill(self) -> None:
        """SIGKILL to all its processes: one that is left would see the next test's empty Redis as a loss."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def client(self) -> ApiClient:
        """A client, with no connection yet."""
        settings = load(environ=self.variables, env_file=self._folder / "empty.env").settings
        return ApiClient(settings, tls.ClientContexts())

    def await_health(self) -> ApiClient:
        """A client, once the server answers."""
        client = self.client()
        deadline = time.monotonic() + 180
        while True:
            try:
                client.get("/health", Health)
            except ApiUnavailable:
                assert self.process.poll() is None, self.log.read_text()
                assert time.monotonic() < deadline, self.log.read_text()
                time.sleep(0.05)
            else:
                return client


@pytest.fixture
def start_api(tmp_path: Path, shared_redis: RedisServer, settings: Settings) -> Iterator[StartApi]:
    """On the shared Redis, cleared: another inventory of a test before would withhold every machine."""
    assert settings.redis_port == shared_redis.port
    (tmp_path / "devices.toml").write_text(INVENTORY)
    (tmp_path / "empty.env").touch()
    started: list[ServedApi] = []

    def start(*options: str, clock: str = "", **variables: str) -> ServedApi:
        given = {
            "REDIS_PORT": str(shared_redis.port),
            "REDIS_PASSWORD": PASSWORD,
            "API_TOKEN": TOKEN,
            "API_WORKERS": "1",
            "CALLBACK_API_PORT": str(free_port()),
            **{name.upper(): value for name, value in variables.items()},
        }
        started.append(ServedApi(tmp_path, given, options, clock))
        return started[-1]

    yield start
    for served in started:
        served.kill()
