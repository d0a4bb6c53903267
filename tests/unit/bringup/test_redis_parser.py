"""Replies of Redis are parsed in C: in Python it takes as long as all else that a client does for a call."""

from redis.connection import DefaultParser
from redis.utils import HIREDIS_AVAILABLE


def test_replies_of_redis_are_parsed_by_hiredis() -> None:
    assert HIREDIS_AVAILABLE
    assert DefaultParser.__module__.endswith("hiredis")
