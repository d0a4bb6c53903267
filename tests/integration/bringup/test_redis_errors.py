"""What a Redis that cannot work now answers, on each way that a command can take, and what we make of it."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import redis
from redis import Redis

from bringup import tls
from bringup.connections.redis_client import connect_redis, redis_errors
from bringup.errors import CorruptRecord, PermanentError, RedisRefusesWrites, RedisUnavailable
from bringup.settings import Settings
from tests.conftest import PASSWORD, MakeSettings, RedisServer
from tests.integration.workers.site import eventually

Send = Callable[[Any], object]  # redis-py types a pipeline as if it answered at once
NOBODY = "192.0.2.1"  # TEST-NET-1, RFC 5737


def by_itself(client: Any) -> object:
    return client.hset("key", "field", "value")


def in_a_pipeline(client: Any) -> object:
    return client.pipeline(transaction=False).get("other").hset("key", "field", "value").execute()


def in_a_transaction(client: Any) -> object:
    return client.pipeline().get("other").hset("key", "field", "value").execute()


def in_a_script(client: Any) -> object:
    return client.eval("return redis.call('HSET', KEYS[1], 'field', 'value')", 1, "key")


def while_watching(client: Any) -> object:
    def body(pipe: Any) -> None:
        pipe.hget("key", "field")
        pipe.multi()
        pipe.hset("key", "field", "value")

    return client.transaction(body, "key")


WAYS: list[Send] = [by_itself, in_a_pipeline, in_a_transaction, in_a_script, while_watching]


def connect(settings: Settings) -> Redis:
    return connect_redis(settings, tls.ClientContexts(), name="tests")


def failing(settings: Settings, send: Send, client: Redis | None = None) -> Any:
    with redis_errors(settings):
        return send(client or connect(settings))


@pytest.fixture
def own(own_redis: RedisServer, make_settings: MakeSettings) -> Settings:
    return make_settings(redis_port=own_redis.port)


@contextmanager
def out_of_memory(client: Redis) -> Iterator[None]:
    client.config_set("maxmemory", "1")
    yield
    client.config_set("maxmemory", "0")


@contextmanager
def read_only(client: Redis) -> Iterator[None]:
    client.replicaof(NOBODY, "1")
    yield
    client.replicaof("NO", "ONE")


@contextmanager
def without_replicas(client: Redis) -> Iterator[None]:
    client.config_set("min-replicas-to-write", "1")
    yield
    client.config_set("min-replicas-to-write", "0")


STATES = {"OOM": out_of_memory, "READONLY": read_only, "NOREPLICAS": without_replicas}


@pytest.mark.parametrize("send", WAYS)
@pytest.mark.parametrize("code", STATES)
def test_a_redis_that_refuses_writes_is_waited_for_on_every_way(own: Settings, code: str, send: Send) -> None:
    keeper = connect(own)
    with STATES[code](keeper):
        with pytest.raises(RedisRefusesWrites) as caught:
            failing(own, send)
        assert f"({code})" in str(caught.value)
        assert "HSET" not in str(caught.value), "what a command carries is not for the log"
    failing(own, send)


def test_a_transaction_that_is_refused_at_its_end_is_waited_for(own: Settings) -> None:
    """Its commands were queued while Redis still took writes: the code is that of the cause, not EXECABORT."""
    keeper = connect(own)
    pipe: Any = connect(own).pipeline()
    pipe.watch("key")
    pipe.immediate_execute_command("MULTI")
    pipe.immediate_execute_command("HSET", "key", "field", "value")
    with without_replicas(keeper), pytest.raises(RedisRefusesWrites, match="NOREPLICAS") as caught:
        failing(own, lambda _: pipe.immediate_execute_command("EXEC"))
    assert isinstance(caught.value.__cause__, redis.exceptions.ExecAbortError)


def test_a_full_disk_is_waited_for(own_redis: RedisServer, own: Settings) -> None:
    keeper = connect(own)
    keeper.config_set("appendfsync", "everysec")  # with `always` a full disk ends redis-server
    with own_redis.full_disk():
        eventually(lambda: refused_with(own, "MISCONF"), 60, "Redis notices its full disk")
        for send in WAYS:
            with pytest.raises(RedisRefusesWrites, match="MISCONF"):
                failing(own, send)
    eventually(lambda: not refused_with(own, "MISCONF"), 60, "Redis notices that there is space again")


def refused_with(own: Settings, code: str) -> bool:
    try:
        failing(own, by_itself)
    except RedisRefusesWrites as error:
        return code in str(error)
    return False


@pytest.mark.parametrize("send", WAYS)
def test_a_replica_without_its_master_is_waited_for(own: Settings, send: Send) -> None:
    keeper = connect(own)
    keeper.config_set("replica-serve-stale-data", "no")
    with read_only(keeper), pytest.raises(RedisUnavailable) as caught:
        failing(own, send)
    assert "MASTERDOWN" in str(caught.value) or "READONLY" in str(caught.value)


def test_a_redis_that_loads_its_data_is_waited_for(own_redis: RedisServer, own: Settings) -> None:
    pipe = connect(own).pipeline(transaction=False)
    for number in range(50_000):
        pipe.set(f"filling:{number}", "x")
    pipe.execute()
    own_redis.kill()
    own_redis.start("--key-load-delay", "300")  # microseconds; it looks after clients every 1024 keys
    with pytest.raises(RedisUnavailable, match="LOADING"):
        failing(own, by_itself)


@pytest.mark.parametrize("send", WAYS)
def test_a_redis_that_a_script_keeps_busy_is_waited_for(own: Settings, send: Send) -> None:
    keeper = connect(own)
    keeper.config_set("busy-reply-threshold", "1")
    loop = threading.Thread(target=endless_script, args=(connect(own),))
    loop.start()
    try:
        with pytest.raises(RedisUnavailable, match="BUSY"):
            eventually(lambda: failing(own, send) is False, 60, "Redis is busy")
    finally:
        keeper.script_kill()
        loop.join(60)


def endless_script(client: Redis) -> None:
    with pytest.raises(redis.ResponseError):
        client.eval("while true do end", 0)


def test_a_blocked_command_that_is_unblocked_is_waited_for(own: Settings) -> None:
    keeper, client = connect(own), connect(own.model_copy(update={"redis_timeout_s": 120}))
    number = client.client_id()

    def unblock() -> None:
        eventually(lambda: keeper.client_unblock(number, error=True), 60, "the client is blocked")

    thread = threading.Thread(target=unblock)
    thread.start()
    with pytest.raises(RedisUnavailable, match="UNBLOCKED"):
        failing(own, lambda _: client.blmove("nothing", "nowhere", 90))
    thread.join(60)


@pytest.mark.parametrize("send", WAYS)
def test_a_foreign_record_is_corrupt_and_not_waited_for(own: Settings, send: Send) -> None:
    connect(own).set("key", "no hash")
    with pytest.raises(CorruptRecord):
        failing(own, send)


@pytest.mark.parametrize("send", WAYS)
def test_a_missing_right_is_permanent(own: Settings, send: Send) -> None:
    rights = ["-@all", "+multi", "+exec", "+watch", "+hget", "+get", "+eval", "+hello", "+client"]
    connect(own).acl_setuser("poor", enabled=True, passwords=[f"+{PASSWORD}"], keys=["*"], commands=rights)
    poor = own.model_copy(update={"redis_username": "poor"})
    with pytest.raises(PermanentError, match=r"REDIS_USERNAME.*users\.acl.*redis-conf --force"):
        failing(poor, send)


@pytest.mark.parametrize("forged", ["OOM", "x) of pipeline caused error: OOM full", "MISCONF x", "because of: OOM x"])
def test_the_text_of_a_command_is_not_taken_for_an_error_of_redis(own: Settings, forged: str) -> None:
    with pytest.raises(redis.ResponseError, match="single source key"):
        failing(own, lambda client: client.pipeline().get(forged).bitop("NOT", forged, forged, "key").execute())
    with pytest.raises(redis.ResponseError, match="unknown command"):
        failing(own, lambda client: client.execute_command(forged))


def test_where_nothing_listens_the_error_names_the_settings(make_settings: MakeSettings) -> None:
    with pytest.raises(
        RedisUnavailable, match=r"\(Connection refused\); does it run there\? REDIS_HOST and REDIS_PORT"
    ):
        failing(make_settings(redis_port=1), by_itself)


def test_a_foreign_server_is_waited_for(make_settings: MakeSettings) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with pytest.raises(RedisUnavailable, match="another program has this port: check REDIS_HOST and REDIS_PORT"):
            failing(make_settings(redis_port=server.server_port), by_itself)
        server.shutdown()
