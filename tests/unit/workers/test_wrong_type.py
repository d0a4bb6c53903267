"""An error of Redis that is not about the type of a key must not pass for a key of another type, which holds no job."""

from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoPermissionError, RedisError, ResponseError

from bringup.errors import CorruptRecord
from bringup.model import JobKind
from bringup.queues import Queues
from workers import in_flight

OTHERS = pytest.mark.parametrize("error", [RedisConnectionError("away"), NoPermissionError("no permission")], ids=str)
WRONG_TYPE = ResponseError("another kind of value", status_code="WRONGTYPE")


class Redis:
    """Answers the first of several reads by an error, and the rest by nothing."""

    def __init__(self, error: RedisError) -> None:
        self._replies: list[Any] = [error]

    def pipeline(self, **_: object) -> "Redis":
        return self

    def __enter__(self) -> "Redis":
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to end."""

    def __getattr__(self, _read: str) -> Any:
        return lambda *_: self._replies.append([])

    def execute(self, **_: object) -> list[Any]:
        return self._replies[:-1]


def places(error: RedisError) -> in_flight.Places:
    redis: Any = Redis(error)
    return in_flight.places(redis, Queues(redis), JobKind)


@OTHERS
def test_where_redis_fails_no_place_counts_as_empty(error: RedisError) -> None:
    with pytest.raises(type(error)):
        places(error)


def test_a_key_of_another_type_holds_no_job() -> None:
    assert places(WRONG_TYPE) == in_flight.Places(set(), set())


@OTHERS
def test_only_a_wrong_type_is_a_corrupt_record(error: RedisError) -> None:
    with pytest.raises(type(error)), in_flight.type_checked("key"):
        raise error
    with pytest.raises(CorruptRecord, match="key"), in_flight.type_checked("key"):
        raise WRONG_TYPE
