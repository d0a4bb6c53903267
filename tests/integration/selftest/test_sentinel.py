"""The self-test with Redis Sentinel: it finds the master, and sees what a failover would not survive."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from pki.check import Finding, Status, observe
from selftest.checks import CATALOG
from selftest.target_installation import TargetInstallation
from tests.integration.workers.site import eventually
from tests.sentinel_set import SentinelSet


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "tls"])
def servers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SentinelSet]:
    """One set for the tests of this file; each leaves it whole."""
    with SentinelSet(tmp_path_factory.mktemp("sentinel"), use_tls=request.param) as made:
        yield made


def finding(servers: SentinelSet, check_id: str, **settings: object) -> Finding:
    check = next(check for check in CATALOG if check.id == check_id)
    return observe(check, TargetInstallation(servers.settings("worker", **settings)))[0]


def test_a_whole_set_is_as_it_must_be(servers: SentinelSet) -> None:
    found = finding(servers, "1d")
    assert (found.status, found.message.split(" at ")[0]) == (
        Status.OK,
        "3 sentinels agree; 2 of 2 replicas follow the master",
    )
    assert finding(servers, "1a").status is Status.OK
    assert finding(servers, "2b" if servers.settings().redis_use_tls else "2a").status is Status.OK


def test_the_master_is_asked_wherever_it_is(servers: SentinelSet) -> None:
    elsewhere = {"redis_host": "192.0.2.1", "redis_port": 1}
    assert finding(servers, "1a", **elsewhere).status is Status.OK


def test_on_a_host_of_redis_its_users_are_seen(
    servers: SentinelSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    servers.copy_passwords(tmp_path / "redis")
    shutil.copy(servers.folder / f"host-{servers.ports[0]}" / "users.acl", tmp_path / "redis")
    monkeypatch.chdir(tmp_path)
    found = finding(servers, "1g")
    assert (found.status, found.message) == (Status.OK, "the default user is off, now and after the next start")


def test_a_missing_replica_is_seen(servers: SentinelSet) -> None:
    away = servers.replicas()[0]
    servers.kill(away)
    eventually(lambda: finding(servers, "1d").status is Status.WARN, 60, "the self-test sees it")
    assert "1 of 2 replicas" in finding(servers, "1d").message
    servers.start(away)
    servers.await_replicas(2)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"redis_sentinel_password": "wrong-password"}, "refuses REDIS_SENTINEL_PASSWORD"),
        ({"redis_sentinel_name": "mymaster"}, "knows no master of this name"),
    ],
)
def test_a_setting_that_no_sentinel_accepts_is_named(servers: SentinelSet, wrong: dict[str, str], says: str) -> None:
    found = finding(servers, "1d", **wrong)
    assert found.status is Status.FAIL
    assert says in found.message


def test_a_sentinel_that_is_not_there_is_named(servers: SentinelSet) -> None:
    sentinels = f"{servers.settings().redis_sentinels},127.0.0.1:1"
    found = finding(servers, "1d", redis_sentinels=sentinels)
    assert (found.status, found.message) == (Status.FAIL, "of 4 sentinels the one at 127.0.0.1:1 does not answer")


def test_without_sentinels_nothing_is_asked(servers: SentinelSet) -> None:
    check = next(check for check in CATALOG if check.id == "1d")
    target = TargetInstallation(servers.settings("worker", redis_sentinels=""))
    assert (observe(check, target)[0].status, check.required_by(target)) == (Status.INFO, "")
