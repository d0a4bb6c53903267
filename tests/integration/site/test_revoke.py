"""A worker's host is stolen: after `bringup site revoke` it takes no further job, and nothing that it had is lost."""

import http.client
import itertools
import json
import ssl
import time
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest

from bringup import tls
from bringup.connections.redis_client import connect_redis, redis_errors
from bringup.errors import BringupError, RedisRefused
from bringup.model import LeaseEvent
from bringup.queues import Queues
from bringup.settings import Settings
from bringup.wire.run import RunDetail
from bringup_cli.site.redis_users import Keeper
from bringup_cli.site.registry import HostRole, Registry
from tests.integration.site.conftest import SeveralHosts, api_of, eventually

START = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)


class Load:
    """Leases of machines in service: one job each, and one call of the API."""

    def __init__(self, settings: Settings) -> None:
        self._queues = Queues(connect_redis(settings, tls.ClientContexts(), name="tailer"))
        self._numbers = itertools.count()
        self.runs: list[str] = []

    def add(self, count: int) -> None:
        for number in itertools.islice(self._numbers, count):
            lease = LeaseEvent.model_validate(
                {
                    "mac": f"02:00:00:00:00:{number % 40:02x}",
                    "ip": "192.0.2.9",
                    "action": "assigned",
                    "starts": START + timedelta(seconds=number),
                    "source": "test",
                }
            )
            self._queues.add_lease(lease)
            self.runs.append(lease.run_id)


class OpenConnection:
    """What a thief holds: a connection that was opened before, with the certificate of the worker."""

    def __init__(self, settings: Settings) -> None:
        self._token = settings.api_token.get_secret_value() if settings.api_token else ""
        context = ssl.create_default_context(cafile=settings.path_of("api_tls_ca"))
        context.load_cert_chain(settings.path_of("api_client_cert"), settings.path_of("api_client_key"))
        url = urlsplit(settings.api_url)
        self._connection = http.client.HTTPSConnection(url.hostname or "", url.port, timeout=60, context=context)
        self._connection.connect()
        self._socket = self._connection.sock

    def works(self) -> bool:
        try:
            assert self._connection.sock is self._socket, "it would connect again"
            self._connection.request("GET", "/api/v1/runs?limit=1", headers={"Authorization": f"Bearer {self._token}"})
            answer = self._connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):
            return False
        return answer.status == 200


def reported(several: SeveralHosts, name: str) -> int:
    return several.log_of(name, HostRole.WORKER).count("lease reported")


def can_call(settings: Settings) -> bool:
    """Whether a new connection with this certificate is served."""
    try:
        return OpenConnection(settings).works()
    except OSError:
        return False


def is_known(several: SeveralHosts, run: str) -> bool:
    try:
        return bool(api_of(several.settings_of("w2", HostRole.WORKER)).get(f"/runs/{run}", RunDetail))
    except BringupError:
        return False


# The promise is ten seconds; a machine that stalls may take longer for what needs one.
@pytest.mark.parametrize("within_s", [60, pytest.param(10, marks=pytest.mark.slow)])
def test_a_stolen_worker_takes_no_further_job(several: SeveralHosts, within_s: float) -> None:
    several.start_servers()
    for name in ("w1", "w2"):
        several.add(name, HostRole.WORKER)
    several.add("t1", HostRole.TAILER)
    thief = several.settings_of("w1", HostRole.WORKER)
    several.await_api(api_of(thief))
    load = Load(several.settings_of("t1", HostRole.TAILER))
    for name in ("w1", "w2"):
        several.start(name, HostRole.WORKER)

    def both_work() -> bool:
        load.add(1)
        return bool(reported(several, "w1") and reported(several, "w2"))

    eventually(both_work, "both work")
    held = OpenConnection(thief)
    assert held.works()
    load.add(30)

    started = time.monotonic()
    output = several.bringup("site", "revoke", "w1", "--reason", "key-compromise")
    assert "w1 is revoked: 2 certificates; worker-w1" in output
    eventually(lambda: not held.works(), "the open connection ends", within_s)
    assert not can_call(thief)
    with pytest.raises(RedisRefused), redis_errors(thief):
        connect_redis(thief, tls.ClientContexts(), name="thief").ping()
    keeper = Keeper(several.settings, Registry.read(several.store).keeper)
    assert "worker-w1" not in keeper.users(keeper.addresses[0])
    assert time.monotonic() - started < within_s

    before = reported(several, "w1")
    load.add(10)
    eventually(lambda: is_known(several, load.runs[-1]), "the other works on", 180)
    eventually(lambda: all(is_known(several, run) for run in load.runs[-45:]), "nothing is lost", 60)
    assert reported(several, "w1") == before
    rows = {row["host"]: row for row in json.loads(several.bringup("site", "status", "--output", "json"))}
    assert rows["w1"]["state"].startswith("revoked")
    assert rows["w1"]["due"] == []
    assert rows["w2"]["state"] == "enrolled"
    assert rows["w2"]["last_seen"]
    assert several.bringup("site", "revoke", "w1"), "again, it changes nothing"
    assert "was revoked on" in several.bringup("site", "enroll", "w1", exit_code=1)
