"""Redis's clock: the one that all hosts share, by which everything is scheduled and compared."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from redis import Redis


def redis_now(connection: "Redis") -> datetime:
    """The time by Redis's clock. Raises what redis-py raises."""
    seconds, microseconds = connection.time()
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=microseconds)
