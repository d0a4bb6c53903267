"""With Redis Sentinel the API acknowledges only what every replica has: no failover takes it back."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bringup.connections import replicated
from bringup.settings import Settings
from tests.integration.api.conftest import RUN_A, RUN_B, Api
from tests.integration.workers.site import eventually
from tests.sentinel_set import SentinelSet

CONFIRM_WITHIN_S = replicated._CONFIRM_WITHIN_S


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SentinelSet]:
    """One set for the tests of this file; each leaves it whole."""
    with SentinelSet(tmp_path_factory.mktemp("sentinel")) as made:
        yield made


@pytest.fixture
def api(servers: SentinelSet, make_api: Callable[[Settings], Api], tmp_path: Path) -> Api:
    """The application on an empty Redis."""
    servers.admin(servers.master()).flushall()
    files = {"state_dir": tmp_path / "state", "devices_file": tmp_path / "devices.toml"}
    return make_api(servers.settings("api", redis_timeout_s=60, **files))


@pytest.fixture(autouse=True)
def healthy_replicas_may_take_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine that stalls, a replica that is well may not confirm a change within a second."""
    monkeypatch.setattr(replicated, "_CONFIRM_WITHIN_S", 30.0)


@contextmanager
def waiting_no_longer_than_usual() -> Iterator[None]:
    """For replicas that will not confirm."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(replicated, "_CONFIRM_WITHIN_S", CONFIRM_WITHIN_S)
        yield


@contextmanager
def behind(servers: SentinelSet, port: int) -> Iterator[None]:
    """This replica does not get anything for a while."""
    with servers.taking_nobody_for_dead(), waiting_no_longer_than_usual():
        servers.pause(port)
        try:
            yield
        finally:
            servers.resume(port)
            caught_up(servers)


def caught_up(servers: SentinelSet) -> None:
    """Wait until every replica has on its disk what the master has."""
    servers.await_replicas(2)
    eventually(lambda: len({servers.offset(port) for port in servers.ports}) == 1, 60, "the replicas catch up")


def test_a_run_is_opened_only_when_every_replica_has_it_and_a_repeat_is_no_false_success(
    servers: SentinelSet, api: Api
) -> None:
    with behind(servers, servers.replicas()[0]):
        first, again = api.lease(), api.lease()
        assert (first.status_code, again.status_code) == (503, 503)
        assert first.headers["Retry-After"]
    assert api.lease().status_code == 200  # the first one had its effect, once
    assert api.jobs()["boots"] == 1


def test_power_is_permitted_only_when_every_replica_has_the_permit(servers: SentinelSet, api: Api) -> None:
    api.lease()
    assert api.tell(RUN_A, "boot_started").status_code == 202
    assert api.tell(RUN_A, "media_inserted").status_code == 202
    with behind(servers, servers.replicas()[1]):
        assert [api.tell(RUN_A, "power_requested").status_code for _ in range(2)] == [503, 503]
    assert api.tell(RUN_A, "power_requested").status_code == 202


def test_a_report_that_is_stored_and_not_confirmed_is_not_acknowledged_when_it_comes_again(
    servers: SentinelSet, api: Api
) -> None:
    token = api.booted()

    def send() -> int:
        return int(api.call("POST", f"/runs/{RUN_A}/report", api.report(), token).status_code)

    with behind(servers, servers.replicas()[0]):
        assert [send(), send()] == [503, 503]
    assert send() == 200
    assert api.run()["state"] == "passed"


def test_without_any_replica_the_api_is_not_ready_and_says_so(servers: SentinelSet, api: Api) -> None:
    assert api.call("GET", "/ready", token=None).status_code == 200
    assert "bringup_redis_replicas 2.0" in api.call("GET", "/metrics").text
    ports = servers.replicas()
    for port in ports:
        servers.kill(port)
    eventually(lambda: api.call("GET", "/ready", token=None).status_code == 503, 60, "not ready")
    assert api.lease().status_code == 503
    for port in ports:
        servers.start(port)
    servers.await_replicas(2)
    # The API uses what a sentinel has answered for a second.
    eventually(lambda: api.call("GET", "/ready", token=None).status_code == 200, 60, "ready again")
    assert api.call("GET", f"/runs/{RUN_A}").status_code == 404  # what was refused had no effect
    assert api.lease().status_code == 201


def test_a_failover_that_lost_only_what_was_not_acknowledged_withholds_no_machine(
    servers: SentinelSet, api: Api
) -> None:
    assert api.lease(RUN_B).status_code == 201
    caught_up(servers)
    old, replicas = servers.master(), servers.replicas()
    servers.admin(old).config_set("min-replicas-to-write", 0)  # it takes a write that nobody else gets
    for port in replicas:
        servers.kill(port)
    with waiting_no_longer_than_usual():
        assert api.lease().status_code == 503
        api.ok("GET", "/devices")  # which reads the number of the change that only the master has
    servers.kill(old)
    for port in replicas:
        servers.start(port)
    servers.await_master(old)
    eventually(lambda: api.lease().status_code == 201, 60, "the lease is taken up")  # 201: it was lost
    assert "withheld" not in api.call("GET", "/ready", token=None).json
    assert "bringup_withheld 0.0" in api.call("GET", "/metrics").text
    servers.start(old)
    servers.await_replicas(2)
