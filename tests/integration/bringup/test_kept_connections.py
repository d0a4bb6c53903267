"""Connections to Redis that are kept between commands: which of them the next command may have."""

import select
from typing import Any

import pytest
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from bringup.connections.redis_client import connect_redis
from bringup.tls import ClientContexts
from tests.conftest import MakeSettings, RedisServer


@pytest.fixture(params=["system", "patched"])
def polls(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The polls that were made, where something like gevent has patched them; it does so before we are imported."""
    made: list[object] = []
    unpatched = select.poll

    def poll() -> object:
        made.append(unpatched())
        return made[-1]

    if request.param == "patched":
        monkeypatch.setattr(select, "poll", poll)
    return made


@pytest.fixture
def kept(polls: list[object], shared_redis: RedisServer, make_settings: MakeSettings) -> Redis:
    """A client with one connection that no command uses now."""
    client = connect_redis(make_settings(redis_port=shared_redis.port), ClientContexts(), name="kept")
    client.ping()
    return client


def ids_of(client: Redis) -> list[int]:
    return [client.client_id() for _ in range(3)]


def await_readable(connection: Any) -> None:
    poll = select.poll()
    poll.register(connection._sock, select.POLLIN)
    assert poll.poll(60_000), "Redis has sent nothing within 60 s"


def test_a_quiet_connection_is_used_again(kept: Redis) -> None:
    assert len(set(ids_of(kept))) == 1


def test_an_answer_that_nobody_has_read_is_not_that_to_the_next_command(kept: Redis) -> None:
    connection: Any = kept.connection_pool.get_connection()
    connection.send_command("ECHO", "of another command")
    await_readable(connection)
    kept.connection_pool.release(connection)
    assert kept.echo("mine") == b"mine"


def test_an_answer_of_which_a_part_was_read_is_not_that_to_the_next_command(kept: Redis) -> None:
    connection: Any = kept.connection_pool.get_connection()
    connection.send_packed_command(connection.pack_commands([("ECHO", "one"), ("ECHO", "two")]))
    await_readable(connection)
    assert connection.read_response() == b"one"  # with it the parser has read the other
    kept.connection_pool.release(connection)
    assert kept.echo("mine") == b"mine"


def test_a_connection_that_redis_has_closed_is_not_used_again(
    kept: Redis, shared_redis: RedisServer, make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection: Any = kept.connection_pool.get_connection()
    connection.send_command("CLIENT", "ID")
    number = connection.read_response()
    kept.connection_pool.release(connection)
    other = connect_redis(make_settings(redis_port=shared_redis.port), ClientContexts(), name="other")
    other.client_kill_filter(_id=str(number))
    await_readable(connection)
    monkeypatch.setattr(connection, "retry", Retry(NoBackoff(), 0))  # a command that it loses is not tried again
    assert kept.client_id() != number


@pytest.mark.parametrize("polls", ["patched"], indirect=True)
def test_no_poll_is_made_for_a_quiet_connection_where_each_is_a_turn_of_an_event_loop(
    kept: Redis, polls: list[object]
) -> None:
    polls.clear()
    assert kept.ping()
    assert not polls
