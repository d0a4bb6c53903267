"""When Redis writes its append-only file to disk, where it lets us ask."""

from typing import cast

import redis

# No right to ask; or no such command, as in the Redis of a cloud.
_MAY_NOT_ASK = {"NOPERM", "ERR"}


def fsync_policy(connection: "redis.Redis") -> str | None:
    """The value of appendfsync; None: this user may not ask, or nobody may. Raises what redis-py raises."""
    try:
        found = cast("dict[str, str]", connection.config_get("appendfsync"))
    except redis.ResponseError as error:
        if error.status_code in _MAY_NOT_ASK:
            return None
        raise
    return found.get("appendfsync", "")
