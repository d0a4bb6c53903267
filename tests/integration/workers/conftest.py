"""A site and worker processes for each test; all are ended with it, by their pid."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bringup.settings import Settings
from tests.conftest import PASSWORD, TOKEN, RedisServer
from tests.integration.workers.site import Site, WorkerProcess

MakeSite = Callable[..., Site]
StartWorker = Callable[..., WorkerProcess]
DEVICES = 16


@pytest.fixture
def make_site(tmp_path: Path, make_settings: Callable[..., Settings]) -> Iterator[MakeSite]:
    """Makes a site on a given Redis."""
    made: list[Site] = []

    def make(redis: RedisServer, **more: str) -> Site:
        variables = {
            "REDIS_PORT": str(redis.port),
            "REDIS_PASSWORD": PASSWORD,
            "API_TOKEN": TOKEN,
            "DEVICES_FILE": str(tmp_path / "devices.toml"),
            "RETRY_MIN_S": "2",  # rq cuts a time to whole seconds: one of 1 s may be over at once
            "RETRY_MAX_S": "3",
            **more,
        }
        made.append(Site(tmp_path, variables, make_settings, DEVICES))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def site(make_site: MakeSite, shared_redis: RedisServer, settings: Settings) -> Site:
    """A site on the shared Redis, whose data is cleared first."""
    assert settings.redis_port == shared_redis.port
    return make_site(shared_redis)


@pytest.fixture
def start_worker(tmp_path: Path) -> Iterator[StartWorker]:
    """Starts worker processes."""
    started: list[WorkerProcess] = []

    def start(site: Site, *, clock: str = "") -> WorkerProcess:
        started.append(WorkerProcess(tmp_path, site.variables, f"worker-{len(started)}", clock=clock))
        return started[-1]

    yield start
    for worker in started:
        if worker.lives:
            worker.kill()
