"""Redis Sentinel: connections follow the master, and a transaction counts only when every replica has it."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

import pytest
import redis

from bringup import tls
from bringup.connections import ReplicatedRedis, connect_redis
from bringup.errors import NotReplicated
from tests.integration.workers.site import eventually
from tests.sentinel_set import SentinelSet

if TYPE_CHECKING:
    from redis.client import Pipeline

KEY = "bringup:tests:number"


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "tls"])
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
        with pytest.raises(NotReplicated, match="1 of 2 replicas"):
            count(connection)
    finally:
        servers.resume(behind)
    eventually(lambda: at(servers, behind) == at(servers, servers.master()), 30, "the replica catches up")
    servers.await_replicas(2)
