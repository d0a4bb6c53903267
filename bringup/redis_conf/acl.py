"""Who may do what in Redis: one user a role, each with the commands and keys that its service needs.

The default user is off. Nobody may run what administers the server (CONFIG, ACL, SHUTDOWN, DEBUG, FLUSHALL,
REPLICAOF, MODULE, KEYS, ...): a person does that from the server's host, with a user that is made for it.

Source: Redis ACL (https://redis.io/docs/latest/operate/oss_and_stack/management/security/acl/)
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

_CONNECTION = "hello auth ping select info time client|setname client|info"
_TRANSACTION = "multi exec discard watch unwatch"
_SCRIPT = "eval evalsha script|load script|exists"
_OWN = "~bringup:selftest:*"  # what `bringup selftest` writes and removes


@dataclass(frozen=True)
class RedisRole:
    """What one service may do.

    Args:
        keys: key patterns, in ACL syntax (``~`` read and write, ``%R~`` read).
        commands: names of commands, blank between them.
    """

    keys: tuple[str, ...]
    commands: str


ROLES: Mapping[str, RedisRole] = {
    "tailer": RedisRole(
        ("~rq:job:*", "~rq:queue:leases", "~rq:queues"),
        f"{_CONNECTION} {_TRANSACTION} {_SCRIPT} sadd exists hset expire rpush get set del",
    ),
    "worker": RedisRole(
        ("~rq:*", "~bringup:executions:*", "~bringup:unreadable:*"),
        f"{_CONNECTION} {_TRANSACTION} {_SCRIPT} get set del exists expire persist rename type "
        "hset hget hgetall hincrby hincrbyfloat hdel lpush rpush lrange lrem lpos llen lmove blmove "
        "sadd srem smembers scard zadd zrem zrange zrangebyscore zremrangebyscore zscore zmscore zcard "
        "xadd xrange xrevrange xtrim",
    ),
    "api": RedisRole(
        ("~bringup:*", "~rq:*"),
        f"{_CONNECTION} {_TRANSACTION} {_SCRIPT} get set del exists expire incrby "
        "hset hget hgetall rpush lpush llen lrange sadd srem sismember smembers scard "
        "zadd zrem zrange zrevrange zcard zscore zrangebyscore zremrangebyscore zcount xadd xrange",
    ),
    "operator": RedisRole(
        ("%R~bringup:*", "%R~rq:*"),
        f"{_CONNECTION} get set del exists type ttl hget hgetall lrange llen smembers scard sismember "
        "zrange zrevrange zcard zscore xrange xlen scan",
    ),
}


def acl_file(passwords: Mapping[str, str]) -> str:
    """The text of an ACL file. Passwords stand in it as SHA-256 only.

    Args:
        passwords: by role; every role of `ROLES`.
    """
    users = [_user(name, role, passwords[name]) for name, role in ROLES.items()]
    return "\n".join(["user default off nopass nocommands resetchannels", *users]) + "\n"


def _user(name: str, role: RedisRole, password: str) -> str:
    digest = hashlib.sha256(password.encode()).hexdigest()
    keys = " ".join((*role.keys, _OWN))
    commands = " ".join(f"+{command}" for command in role.commands.split())
    return f"user {name} on #{digest} resetkeys {keys} resetchannels -@all {commands}"
