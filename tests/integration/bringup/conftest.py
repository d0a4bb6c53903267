"""A Redis for tests of queues."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from bringup.connections.redis_client import connect_redis
from bringup.tls import ClientContexts
from tests.conftest import MakeSettings, RedisServer

if TYPE_CHECKING:
    from redis import Redis


@pytest.fixture
def redis(shared_redis: RedisServer, make_settings: MakeSettings) -> Iterator["Redis"]:
    """An empty one."""
    connection = connect_redis(make_settings(redis_port=shared_redis.port), ClientContexts(), name="test")
    connection.flushdb()
    yield connection
    connection.flushdb()
    connection.close()
