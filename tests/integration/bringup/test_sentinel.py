"""Redis Sentinel: connections follow the master, and a transaction counts only when every replica has it."""

import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, Self, cast

import pytest
import redis

from bringup import keys, tls
from bringup.connections.redis_client import connect_redis, redis_errors, redis_servers
from bringup.connections.replicated import ReplicatedRedis
from bringup.connections.sentinel import Sentinels
from bringup.errors import NotReplicated, PermanentError, RedisUnavailable
from tests.integration.workers.site import eventually
from tests.sentinel_set import SentinelSet

if TYPE_CHECKING:
    from redis.client import Pipeline

KEY = "bringup:tests:number"
# Between two transactions of a thread: there is always one under way, and the processor is left to the servers.
PAUSE_S = 0.01
# On a machine that stalls for seconds; without that it is 2, by scripts/e2e-failover.
RESUMES_WITHIN_S = 30


# Mutual TLS always; plain, which does the same with less, in scripts/test-slow.
@pytest.fixture(
    scope="module", params=[pytest.param(False, marks=pytest.mark.slow, id="plain"), pytest.param(True, id="tls")]
)
def servers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SentinelSet]:
    """One set for the tests of this file; each leaves it whole."""
    with SentinelSet(tmp_path_factory.mktemp("sentinel"), use_tls=request.param) as made:
        yield made


def client(servers: SentinelSet) -> ReplicatedRedis:
    made = connect_redis(servers.settings("api"), tls.ClientContexts(), name="tests", replicated=True)
    assert isinstance(made, ReplicatedRedis)
    return made


def count(connection: "redis.Redis") -> int:
    """Count one up, in a transaction that watches."""

    def body(pipe: "Pipeline") -> int:
        number = int(cast("bytes | None", pipe.get(KEY)) or 0) + 1
        pipe.multi()
        pipe.set(KEY, number)
        return number

    transaction: Any = connection.transaction
    return cast("int", transaction(body, KEY, value_from_callable=True))


def look(connection: "redis.Redis") -> int:
    """Look at the number, in a transaction that changes nothing."""

    def body(pipe: "Pipeline") -> int:
        number = int(cast("bytes | None", pipe.get(KEY)) or 0)
        pipe.multi()
        return number

    transaction: Any = connection.transaction
    return cast("int", transaction(body, KEY, value_from_callable=True))


def at(servers: SentinelSet, port: int) -> int:
    """The number as the server at ``port`` has it."""
    return int(cast("bytes | None", servers.admin(port).get(KEY)) or 0)


def test_a_transaction_that_returned_is_on_every_replica(servers: SentinelSet) -> None:
    connection = client(servers)
    for _ in range(20):
        number = count(connection)
        assert [at(servers, port) for port in servers.replicas()] == [number, number]


def test_a_transaction_is_not_acknowledged_while_one_replica_of_two_lacks_it(servers: SentinelSet) -> None:
    """WAIT 1 would be content with the other one, and a sentinel may promote this one."""
    connection, behind = client(servers), servers.replicas()[0]
    count(connection)
    servers.pause(behind)
    try:
        # On a machine that stalls the other one may be late, too.
        eventually(lambda: "1 of 2 replicas" in refusal(connection), 60, "the other replica has it")
    finally:
        servers.resume(behind)
    eventually(lambda: at(servers, behind) == at(servers, servers.master()), 60, "the replica catches up")
    servers.await_replicas(2)


def refusal(connection: ReplicatedRedis) -> str:
    """Why a transaction is not acknowledged, which it must not be."""
    with pytest.raises(NotReplicated) as caught:
        count(connection)
    return str(caught.value)


def test_a_repeat_that_changes_nothing_is_not_acknowledged_while_a_replica_lacks_what_it_saw(
    servers: SentinelSet,
) -> None:
    connection, behind = client(servers), servers.replicas()[0]
    servers.pause(behind)
    try:
        with pytest.raises(NotReplicated):
            count(connection)
        with pytest.raises(NotReplicated):
            look(connection)
    finally:
        servers.resume(behind)
    servers.await_replicas(2)


def test_a_transaction_that_changes_nothing_writes_what_there_is_to_wait_for(servers: SentinelSet) -> None:
    """For WAIT Redis 7.0 counts reads, too, and later ones only writes."""
    connection = client(servers)
    servers.admin(servers.master()).delete(keys.BARRIER)
    look(connection)
    assert [servers.admin(port).exists(keys.BARRIER) for port in servers.replicas()] == [1, 1]


class Load:
    """Counts up in several threads, and keeps the highest number that was acknowledged."""

    def __init__(self, servers: SentinelSet, threads: int = 4) -> None:
        self._settings = servers.settings("api")
        self._connection = client(servers)
        self._stopping = Event()
        self.acknowledged: list[tuple[float, int]] = []
        self._threads = [Thread(target=self._count, daemon=True) for _ in range(threads)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join(60)

    def first_after(self, at: float) -> float:
        """Seconds from ``at`` (monotonic) to the first transaction that was acknowledged after it."""
        eventually(lambda: self.acknowledged[-1][0] > at, 60, "transactions go on")
        return min(when for when, _ in self.acknowledged if when > at) - at

    def _count(self) -> None:
        while not self._stopping.is_set():
            with suppress(RedisUnavailable), redis_errors(self._settings):
                number = count(self._connection)
                self.acknowledged.append((time.monotonic(), number))
            self._stopping.wait(PAUSE_S)


@pytest.mark.parametrize("how", ["the master is killed", "the master lives"])
def test_a_failover_under_load_loses_no_acknowledged_transaction(servers: SentinelSet, how: str) -> None:
    with Load(servers) as load:
        eventually(lambda: len(load.acknowledged) > 20, 60, "transactions are acknowledged")
        if how == "the master is killed":
            old, since = servers.fail_over()
            servers.start(old)
        else:
            old = servers.promote()
            since = servers.await_master(old)
        assert load.first_after(since) < RESUMES_WITHIN_S
        servers.await_replicas(2)
    numbers = [number for _, number in load.acknowledged]
    assert len(set(numbers)) == len(numbers)  # none was given twice: none was taken back
    assert at(servers, servers.master()) >= max(numbers)


def test_a_blocked_worker_is_let_go_when_its_master_is_demoted_and_finds_the_next_one(servers: SentinelSet) -> None:
    worker = connect_redis(servers.settings("worker", redis_timeout_s=120), tls.ClientContexts(), name="tests")
    old, waiting = servers.master(), Thread(target=lambda: outcome.append(_blocked(servers, worker)), daemon=True)
    outcome: list[object] = []
    waiting.start()
    eventually(lambda: servers.admin(old).info("clients")["blocked_clients"] == 1, 60, "the worker is blocked")
    servers.promote()
    waiting.join(120)
    assert isinstance(outcome[0], RedisUnavailable)
    servers.await_master(old)
    worker.lpush("rq:queue:tests", "job")
    assert worker.lmove("rq:queue:tests", "rq:queue:tests:taken") == b"job"
    servers.await_replicas(2)


def _blocked(servers: SentinelSet, worker: "redis.Redis") -> object:
    try:
        with redis_errors(servers.settings("worker")):
            return worker.blmove("rq:queue:tests", "rq:queue:tests:taken", 110)
    except RedisUnavailable as error:
        return error


def test_every_server_is_named_whatever_its_role(servers: SentinelSet) -> None:
    paused = servers.replicas()[0]
    servers.pause(paused)  # one that is away is named as well: it comes back with the users that it had
    try:
        found = redis_servers(servers.settings(), tls.ClientContexts())
    finally:
        servers.resume(paused)
    assert {port for _, port in found} == set(servers.ports)
    one = servers.settings(redis_sentinels="")
    assert redis_servers(one, tls.ClientContexts()) == ((one.redis_host, one.redis_port),)


def test_a_wrong_password_of_the_sentinels_is_named(servers: SentinelSet) -> None:
    wrong = servers.settings("api", redis_sentinel_password="wrong-password")
    with pytest.raises(PermanentError, match="refuse REDIS_SENTINEL_PASSWORD"), redis_errors(wrong):
        connect_redis(wrong, tls.ClientContexts(), name="tests").ping()


def test_a_name_that_no_sentinel_knows_is_named(servers: SentinelSet) -> None:
    wrong = servers.settings("api", redis_sentinel_name="mymaster")
    with pytest.raises(RedisUnavailable, match="knows no master of this name"), redis_errors(wrong):
        connect_redis(wrong, tls.ClientContexts(), name="tests").ping()


def test_the_password_of_the_services_neither_reconfigures_a_sentinel_nor_starts_a_failover(
    servers: SentinelSet,
) -> None:
    sentinel = Sentinels(servers.settings("api"), tls.ClientContexts(), name="tests").manager.sentinels[0]
    for command in ("SENTINEL FAILOVER bringup", "SENTINEL SET bringup quorum 1", "SENTINEL RESET *", "SHUTDOWN"):
        with pytest.raises(redis.exceptions.NoPermissionError):
            sentinel.execute_command(*command.split())  # type: ignore[no-untyped-call]


def test_servers_that_are_known_by_name_are_checked_by_name(tmp_path: Path) -> None:
    """With names in REDIS_HOST the sentinels hand out names, which are what the certificates must have."""
    with SentinelSet(tmp_path, use_tls=True, host="localhost") as named:
        connection = client(named)
        assert connection.sentinels.view(fresh=True).master[0] == "localhost"
        assert count(connection) == 1
        named.fail_over()
        eventually(lambda: _counts(named, connection), 60, "transactions go on at the next master")


def _counts(servers: SentinelSet, connection: "redis.Redis") -> bool:
    try:
        with redis_errors(servers.settings("api")):
            return count(connection) > 1
    except RedisUnavailable:
        return False
