"""Whether Redis takes writes, asked without writing anything."""

from typing import TYPE_CHECKING

from bringup import keys

if TYPE_CHECKING:
    from redis import Redis


def check_writes(connection: "Redis") -> None:
    """Send a write that has no effect. Raises what redis-py raises when Redis would refuse a real one.

    SET with XX on a key that does not exist changes nothing and is not put into the append-only file, yet Redis
    refuses it as it refuses every write that needs memory: it decides by the command, before it looks at the key.
    The fields of INFO say the same only by their sum, and each version of Redis would need its own.

    Source: processCommand() in Redis's server.c.
    """
    connection.set(keys.WRITE_PROBE, "", xx=True, ex=1)
