"""Whether Redis takes writes, asked without writing anything."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from redis import Redis

# Every role may write keys of this form (bringup.redis_conf.acl); nothing ever sets this one.
_KEY = "bringup:selftest:write-probe"


def check_writes(connection: "Redis") -> None:
    """Send a write that has no effect. Raises what redis-py raises when Redis would refuse a real one.

    SET with XX on a key that does not exist changes nothing and is not put into the append-only file, yet Redis
    refuses it as it refuses every write that needs memory: it decides by the command, before it looks at the key.
    The fields of INFO say the same only by their sum, and each version of Redis would need its own.

    Source: processCommand() in Redis's server.c.
    """
    connection.set(_KEY, "", xx=True, ex=1)
