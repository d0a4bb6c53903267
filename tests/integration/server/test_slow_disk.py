"""A disk of STATE_DIR or of Redis that does not answer: only those wait who need it, and not for ever."""

import fcntl
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from api.state.installation import MEMORY_FILE
from bringup import tls
from bringup.connections.api_client import ApiClient
from bringup.connections.redis_client import connect_redis
from bringup.errors import ApiUnavailable
from bringup.model import LeaseEvent
from bringup.settings import Settings
from bringup.wire.message import Health
from bringup.wire.run import RunDecision, RunDetail
from bringup.wire.run_events import EventType, RunEvent, RunEventReply
from tests.integration.api.conftest import LEASE, RUN_A
from tests.integration.server.conftest import ServedApi, StartApi
from tests.integration.workers.site import eventually

# A permit waits for a disk for some seconds and no longer: a machine that stalls for as long ends the wait before the
# test has looked. Then it is looked at again.
TRIES = 5
MORE_DEVICES = "".join(
    f'[[device]]\nname = "more-{number}"\nbmc_mac = "02:00:00:00:01:{number:02x}"\nbmc = "simulated://127.0.0.1:9/{number}"\n'
    for number in range(TRIES)
)


def post(api: ApiClient, what: EventType, run_id: str = RUN_A) -> RunEventReply:
    return api.post(f"/runs/{run_id}/events", RunEvent(type=what, owner="w"), RunEventReply)


@pytest.fixture
def served(settings: Settings, start_api: StartApi) -> ServedApi:
    """With a run that may be switched on next, on an empty Redis."""
    served = start_api()
    prepare(served.await_health())
    return served


def prepare(api: ApiClient, mac: str = str(LEASE["mac"])) -> str:
    """A run that may be switched on next."""
    lease = LeaseEvent.model_validate(LEASE | {"mac": mac})
    api.put(f"/runs/{lease.run_id}", lease, RunDecision)
    post(api, EventType.BOOT_STARTED, lease.run_id)
    return lease.run_id


@contextmanager
def another_process_writes(folder: Path) -> Iterator[None]:
    """One whose fsync does not return."""
    with (folder / "var" / MEMORY_FILE).with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def test_a_permit_that_waits_for_the_disk_holds_up_nobody_else(served: ServedApi, tmp_path: Path) -> None:
    waiting, other = served.await_health(), served.await_health()
    assert any(others_are_served_meanwhile(waiting, other, tmp_path) for _ in range(TRIES))


def others_are_served_meanwhile(waiting: ApiClient, other: ApiClient, folder: Path) -> bool:
    """While a permit waits that is given in the end."""
    with ThreadPoolExecutor(1) as pool:
        with another_process_writes(folder):
            permit = pool.submit(post, waiting, EventType.POWER_ON_REQUESTED)
            waits_at_first = not wait([permit], timeout=1).done
            for _ in range(10):
                other.get("/health", Health)
            waits_on = not permit.done()
        return waits_at_first and waits_on and permit.exception() is None and bool(permit.result().state)


def test_without_the_disk_a_permit_is_refused_after_a_while(served: ServedApi, tmp_path: Path) -> None:
    with another_process_writes(tmp_path), pytest.raises(ApiUnavailable, match="STATE_DIR"):
        post(served.await_health(), EventType.POWER_ON_REQUESTED)
    assert "is locked by another process" in served.log.read_text()
    assert post(served.await_health(), EventType.POWER_ON_REQUESTED).state


@pytest.fixture
def everysec(settings: Settings) -> Iterator[None]:
    """Redis writes to its disk once a second, so that a permit takes two."""
    redis = connect_redis(settings, tls.ClientContexts(), name="tests")
    redis.config_set("appendfsync", "everysec")
    yield
    redis.config_set("appendfsync", "always")


@pytest.mark.usefixtures("everysec")
def test_a_permit_that_waits_for_the_disk_of_redis_leaves_its_slot_to_others(
    start_api: StartApi, tmp_path: Path
) -> None:
    (tmp_path / "devices.toml").write_text(MORE_DEVICES)
    served = start_api(api_threads="1")
    waiting, other = served.await_health(), served.await_health()
    runs = (prepare(waiting, f"02:00:00:00:01:{number:02x}") for number in range(TRIES))
    assert any(its_slot_is_used_meanwhile(waiting, other, run_id) for run_id in runs)


def its_slot_is_used_meanwhile(waiting: ApiClient, other: ApiClient, run_id: str) -> bool:
    """While a permit waits for the disk of Redis, which has it already."""
    with ThreadPoolExecutor(1) as pool:
        permit = pool.submit(post, waiting, EventType.POWER_ON_REQUESTED, run_id)
        seen = partial(other.get, f"/runs/{run_id}", RunDetail)
        eventually(lambda: seen().power_on_requested_at, 60, "it is in Redis")
        waits_on = not permit.done()
        assert permit.result().state
        return waits_on


def test_while_a_thread_waits_for_the_disk_requests_go_on() -> None:
    """The other side of the pipe is a request: in the event loop, the read would wait for it for ever."""
    script = (
        "from gevent import monkey; monkey.patch_all()\n"
        "import os, gevent\n"
        "from api.blocking import in_a_thread\n"
        "end, begin = os.pipe()\n"
        "request = gevent.spawn(os.write, begin, b'x')\n"
        "assert in_a_thread(lambda: os.read(end, 1)) == b'x'\n"
        "try: in_a_thread(lambda: os.fsync(end))\n"
        "except OSError: print('raised where it belongs')\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=180)
    assert (done.stdout, done.stderr) == ("raised where it belongs\n", "")
