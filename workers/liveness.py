"""Which executions are alive: each process says so every second or two, for every job that it has in hand.

Redis's clock is the only one that counts, so that hosts need not agree about the time.
"""

from typing import TYPE_CHECKING, Any

from bringup import keys
from bringup.connections.redis_client import redis_now

if TYPE_CHECKING:
    from collections.abc import Iterable

    from redis import Redis

BEAT_EVERY_S = 1.5
SILENT_AFTER_S = 6.0
_FORGET_AFTER_S = 3600


def beat(connection: "Redis", executions: "Iterable[str]") -> None:
    """Say that ``executions`` are alive now."""
    now = redis_now(connection).timestamp()
    marks: dict[str, Any] = dict.fromkeys(executions, now)
    if marks:
        connection.zadd(keys.EXECUTIONS, marks)
    connection.zremrangebyscore(keys.EXECUTIONS, 0, now - _FORGET_AFTER_S)


def silent(connection: "Redis", executions: "Iterable[str]") -> set[str]:
    """Those of ``executions`` that nobody has spoken for lately."""
    names = list(executions)
    if not names:
        return set()
    now = redis_now(connection).timestamp()
    seen = connection.zmscore(keys.EXECUTIONS, names)
    return {name for name, at in zip(names, seen, strict=True) if at is None or abs(now - at) > SILENT_AFTER_S}
