"""Each call of the API waits for Redis at most four times, one after the other."""

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from redis.connection import AbstractConnection

from api.state import durability, inventories
from bringup import tls
from bringup.connections.redis_client import connect_redis
from bringup.settings import load
from tests import applications
from tests.conftest import PASSWORD, TOKEN, RedisServer
from tests.integration.api.conftest import EPOCH, INVENTORY, RUN_A, RUN_B, Api

MOST = 4
RUN_ACTIVE = f"02-00-00-00-00-03-{EPOCH}"
RUN_WARM = f"02-00-00-00-00-02-{EPOCH - 1}"
UUID_OF = {RUN_WARM: "", RUN_A: "4c4c4544-0042-3510-8052-b4c04f565931", RUN_B: "4c4c4544-0042-3510-8052-b4c04f565932"}


class Counted:
    """The API, with the round trips of each call by its name."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.trips: dict[str, int] = {}
        self.now = Counter[str]()

    @contextmanager
    def call(self, name: str) -> Iterator[None]:
        self.now.clear()
        yield
        self.trips[name] = max(self.trips.get(name, 0), self.now["sent"])

    def tell(self, name: str, run_id: str, kind: str, **fields: Any) -> None:
        with self.call(name):
            answer = self.api.tell(run_id, kind, **fields)
        assert answer.status_code == 202, answer.text

    def ok(self, name: str, method: str, path: str, body: Any = None, token: str | None = TOKEN) -> Any:
        with self.call(name):
            answer = self.api.call(method, path, body, token)
            assert answer.data  # an image is counted when it was taken
        assert answer.status_code < 300, answer.text
        return answer


def boot(counted: Counted, run_id: str) -> str:
    """A run until its machine is on; returns the path of its image."""
    with counted.call("PUT /runs, new"):
        epoch = int(run_id.rpartition("-")[2])
        starts = datetime.fromtimestamp(epoch, UTC).isoformat()
        assert counted.api.lease(run_id, starts=starts).status_code == 201
    tell = counted.tell
    tell("boot_started", run_id, "boot_started")
    identity = {"serial": run_id[:17], "uuid": UUID_OF[run_id], "macs": []}
    tell("machine_identified", run_id, "machine_identified", identity=identity)
    tell("write_requested", run_id, "write_requested")
    tell("write_requested, with a medium", run_id, "write_requested", wants_media=True)
    media = counted.ok("POST /media", "POST", f"/runs/{run_id}/media", {"owner": "w"})
    for kind in ("media_inserted", "override_requested", "power_on_requested", "powered_on", "permit_returned"):
        tell(kind, run_id, kind)
    return str(media.json["image_url"]).partition("/api/v1")[2]


def live(counted: Counted, run_id: str) -> None:
    """A machine from its first call until its report, with replays."""
    image = boot(counted, run_id)
    read = counted.ok("GET /images", "GET", image, token=None)
    token = str(json.loads(read.data)["token"])
    beat = {"boot_id": "1", "uptime_s": 1}
    for name in ("heartbeat, first", "heartbeat"):
        counted.ok(name, "POST", f"/runs/{run_id}/heartbeat", beat, token)
    report = counted.api.report()
    for name in ("report", "report, again"):
        counted.ok(name, "POST", f"/runs/{run_id}/report", report, token)


def clean_up(counted: Counted, run_id: str) -> None:
    tell = counted.tell
    tell(
        "machine_identified, after the end", run_id, "machine_identified", identity={"serial": run_id[:17], "macs": []}
    )
    for kind in ("cleanup_requested", "media_ejected", "power_off_requested", "finished"):
        tell(kind, run_id, kind)


@pytest.fixture(scope="module")
def trips(shared_redis: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    """Round trips of each call, most of several; of a process that has served each before."""
    folder = tmp_path_factory.mktemp("api")
    (folder / "devices.toml").write_text(INVENTORY)
    (folder / "empty.env").touch()
    given = {"API_TOKEN": TOKEN, "REDIS_PASSWORD": PASSWORD, "REDIS_PORT": str(shared_redis.port)}
    given |= {"STATE_DIR": str(folder / "state"), "DEVICES_FILE": str(folder / "devices.toml")}
    settings = load(environ=given, env_file=folder / "empty.env").settings
    connect_redis(settings, tls.ClientContexts(), name="tests").flushall()
    with applications.opened(settings) as app, pytest.MonkeyPatch.context() as patch:
        counted = Counted(Api(app.test_client(), folder / "devices.toml"))
        _open_connections(counted.api)
        patch.setattr(inventories, "BEAT_EVERY_S", 3600)  # one call in 15 s publishes the inventory, too
        patch.setattr(durability, "_ASK_AGAIN_S", 3600)
        patch.setattr(AbstractConnection, "send_packed_command", _counting(counted))
        _play(counted)
    return counted.trips


def _open_connections(api: Api) -> None:
    """As many as one call uses: what is sent to open them is no cost of a call. And what a process asks once."""
    api.ok("GET", "/metrics")
    pool: Any = api.client.application.extensions["bringup"].database.connection.connection_pool
    for connection in [pool.get_connection() for _ in range(3)]:
        pool.release(connection)
    boot(Counted(api), RUN_WARM)


def _counting(counted: Counted) -> Callable[..., None]:
    original: Any = AbstractConnection.send_packed_command
    serving = threading.get_ident()

    def send(self: Any, command: Any, check_health: bool = True) -> None:  # noqa: FBT001, FBT002 - redis-py's
        if threading.get_ident() == serving:  # what is remembered in the background is no cost of a call
            counted.now["sent"] += 1
        original(self, command, check_health)

    return send


def _play(counted: Counted) -> None:
    counted.ok("abort", "POST", f"/runs/{RUN_WARM}/abort", {"reason": "r"})
    counted.tell("finished", RUN_WARM, "finished")
    counted.ok("PATCH /devices", "PATCH", "/devices/b", {"state": "approved"})
    live(counted, RUN_A)
    with counted.call("PUT /runs, of a run that goes on"):
        assert counted.api.lease(f"02-00-00-00-00-01-{EPOCH + 1}", starts="2026-11-23T09:41:37Z").status_code == 200
    with counted.call("PUT /runs, again"):
        assert counted.api.lease(RUN_A).status_code == 200
    counted.ok("GET /runs/ID", "GET", f"/runs/{RUN_A}")
    clean_up(counted, RUN_A)
    with counted.call("an event that comes too late"):
        assert counted.api.tell(RUN_A, "powered_on").status_code == 409
    with counted.call("PUT /runs, audited"):
        assert counted.api.lease(RUN_ACTIVE).status_code == 201
    boot(counted, RUN_B)
    counted.tell("deadline", RUN_B, "deadline")
    counted.ok("abort", "POST", f"/runs/{RUN_B}/abort", {"reason": "r"})
    for name, path in {
        "GET /runs": "/runs",
        "GET /runs?open": "/runs?open=true&waiting=false",
        "GET /devices": "/devices?limit=200",
        "GET /devices/NAME": "/devices/a",
        "GET /devices/NAME/explain": "/devices/a/explain",
        "GET /changes": "/changes?since=0",
        "GET /changes, nothing new": "/changes?since=999999",
        "GET /changes/snapshot": "/changes/snapshot",
        "GET /runs/ID/report": f"/runs/{RUN_A}/report",
        "GET /queues": "/queues",
        "GET /metrics": "/metrics",
        "GET /ready": "/ready",
    }.items():
        counted.ok(name, "GET", path)
    counted.ok("PATCH /devices", "PATCH", "/devices/a", {"state": "approved"})
    counted.ok("POST /devices/runs", "POST", "/devices/a/runs", {"reason": "r"})


CALLS = (
    *("PUT /runs, new", "PUT /runs, again", "PUT /runs, of a run that goes on", "PUT /runs, audited"),
    *(
        "boot_started",
        "machine_identified",
        "write_requested",
        "POST /media",
        "write_requested, with a medium",
        "media_inserted",
        "override_requested",
    ),
    *("power_on_requested", "powered_on", "permit_returned", "deadline", "an event that comes too late"),
    *("machine_identified, after the end", "cleanup_requested", "media_ejected", "power_off_requested", "finished"),
    *("GET /images", "heartbeat, first", "heartbeat", "report", "report, again"),
    *("GET /runs/ID", "GET /runs/ID/report", "abort", "PATCH /devices", "POST /devices/runs"),
    *("GET /runs", "GET /runs?open", "GET /devices", "GET /devices/NAME", "GET /devices/NAME/explain"),
    *(
        "GET /changes",
        "GET /changes, nothing new",
        "GET /changes/snapshot",
        "GET /queues",
        "GET /metrics",
        "GET /ready",
    ),
)


@pytest.mark.parametrize("call", CALLS)
def test_a_call_waits_for_redis_four_times_at_most(trips: dict[str, int], call: str) -> None:
    assert 0 < trips[call] <= MOST, trips


def test_a_follower_that_has_all_changes_costs_one_look_at_the_feed(trips: dict[str, int]) -> None:
    assert trips["GET /changes, nothing new"] == 1
    assert trips["GET /changes"] > 1
