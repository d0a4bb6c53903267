"""Who may do what in Redis: one user a role, each with the commands and keys that its service needs.

The default user is off. No role may run what administers the server (CONFIG, ACL, SHUTDOWN, DEBUG, FLUSHALL,
REPLICAOF, MODULE, KEYS, ...): a person does that from the server's host, with a user that is made for it.

Source: Redis ACL (https://redis.io/docs/latest/operate/oss_and_stack/management/security/acl/)
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bringup import keys

# The self-test asks by ACL DRYRUN what the default user may do; it shows the rights of others, and no secret.
_CONNECTION = "hello auth ping select info time role client|setname client|info acl|dryrun"
_TRANSACTION = "multi exec discard watch unwatch"
_SCRIPT = "eval evalsha script|load script|exists"
_OWN = f"~{keys.SELFTEST}*"  # what `bringup selftest` writes and removes


@dataclass(frozen=True)
class RedisRole:
    """What one service may do.

    Args:
        keys: key patterns, in ACL syntax (``~`` read and write, ``%R~`` read).
        commands: names of commands, blank between them.
        channels: channel patterns, in ACL syntax.
    """

    keys: tuple[str, ...]
    commands: str
    channels: tuple[str, ...] = ()


# Off and without a password, so that no client can log in as the default user; but it has every right. At its start
# Redis replays the append-only file as this user, and EXEC checks its rights: a transaction that it may not run is
# left out without an error, and what was on record is gone. Source: execCommand() in Redis's multi.c.
DEFAULT_USER = "user default off resetpass ~* &* +@all"

ROLES: Mapping[str, RedisRole] = {
    "tailer": RedisRole(
        ("~rq:job:*", "~rq:queue:leases", "~rq:queues", f"~{keys.BARRIER}", f"~{keys.TAILERS}"),
        f"{_CONNECTION} {_TRANSACTION} {_SCRIPT} wait sadd exists hset hget expire rpush get set del",
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
        f"{_CONNECTION} {_TRANSACTION} {_SCRIPT} wait get mget set del exists expire incrby bitfield rename "
        "hset hget hgetall hdel hscan rpush lpush llen lrange sadd srem sismember smembers scard "
        "zadd zrem zrange zrevrange zcard zscore zrangebyscore zremrangebyscore zcount xadd xrange",
    ),
    "operator": RedisRole(
        ("%R~bringup:*", "%R~rq:*"),
        f"{_CONNECTION} get set del exists type ttl hget hgetall lrange llen smembers scard sismember "
        "zrange zrevrange zcard zscore xrange xlen scan",
    ),
}


# Whose rights the user of a service on one host has, ``SERVICE-HOST``: `bringup images` reads and writes what the API
# does. A host of Redis is no client of it.
RIGHTS: Mapping[str, str] = {
    "api": "api",
    "images": "api",
    "worker": "worker",
    "tailer": "tailer",
    "console": "operator",
}

# For the timers of Redis's host and of the CA's: they make a running Redis read renewed certificates, and add and
# remove users. It reads and writes no key.
KEEPER = RedisRole(
    (),
    "auth hello ping info client|setname config|set acl|setuser acl|deluser acl|save acl|list client|kill client|list",
)


# What the servers of an installation with Sentinel do to each other.
REPLICATION_ROLES: Mapping[str, RedisRole] = {
    # Source: the page above, "ACL rules for Sentinel and Replicas"
    "replica": RedisRole((), "auth hello ping psync replconf"),
    "sentinel": RedisRole(
        (),
        "auth hello ping info role subscribe publish multi exec slaveof replicaof config|rewrite "
        "client|setname client|kill script|kill",
        ("&__sentinel__:hello",),
    ),
}
# Who may do what at a sentinel: `default` is what services log in as, for they have a password for it and no name.
SENTINEL_ROLES: Mapping[str, RedisRole] = {
    "default": RedisRole(
        (),
        "auth hello ping info client|setname client|info sentinel|master sentinel|masters sentinel|replicas "
        "sentinel|slaves sentinel|sentinels sentinel|ckquorum sentinel|get-master-addr-by-name",
    ),
    "peer": RedisRole(
        (),
        "auth hello ping info client|setname subscribe publish sentinel|is-master-down-by-addr",
        ("&__sentinel__:hello",),
    ),
}


def acl_file(passwords: Mapping[str, str], *, shared: str = "", default_user: bool = False) -> str:
    """The text of an ACL file. It holds passwords as SHA-256 only.

    Args:
        passwords: by user: those of `ROLES` and `REPLICATION_ROLES`, and ``keeper``, that are to be there.
        shared: a password that each of them takes besides its own, but for keeper; empty: none.
        default_user: whether ``shared`` opens the default user, too, who may do everything.
    """
    users = [
        _user(name, role, (passwords[name], shared), own=_OWN if name in ROLES else "")
        for name, role in {**ROLES, **REPLICATION_ROLES}.items()
        if name in passwords
    ]
    keeper = [keeper_line(passwords["keeper"])] if "keeper" in passwords else []
    default = f"user default on #{_digest(shared)} ~* &* +@all" if default_user else DEFAULT_USER
    return "\n".join([default, *users, *keeper]) + "\n"


def user_line(user: str, role: str, password: str) -> str:
    """The line of an ACL file for one user, such as ``worker-w1`` with the rights of ``worker``.

    Args:
        user: name that the service logs in with.
        role: one of `ROLES`.
        password: in clear; the line holds its SHA-256 only.
    """
    return _user(user, ROLES[role], (password,), own=_OWN)


def rights_of(user: str) -> str | None:
    """The role whose rights a user has, by its name: of ``worker``, and of ``worker-w1``; None: of no role."""
    service, dash, host = user.partition("-")
    if not dash:
        return user if user in ROLES else None
    return RIGHTS.get(service, service if service in ROLES else None) if host else None


def keeper_line(password: str) -> str:
    """The line of an ACL file for the user of the timers and of `bringup site`; the password in clear."""
    return _user("keeper", KEEPER, (password,))


def added_users(present: str, written: str) -> list[str]:
    """The lines of an ACL file whose users are not written anew: `bringup site` or people have added them.

    A user of a host, ``ROLE-HOST``, keeps its password and gets the present rights of its role.

    Args:
        present: text of the file that is there.
        written: text that takes its place.
    """
    ours = _users(written).keys()
    added = {name: line for name, line in _users(present).items() if name not in ours}
    return [_renewed(name, line) for name, line in added.items() if not _is_for_replication(name, line)]


def _renewed(user: str, line: str) -> str:
    """The line of a user that `bringup site` has added, with the rights that its role has now; others unchanged."""
    role, words = rights_of(user), line.split()[2:]
    if role is None or "-" not in user or "on" not in words:
        return line
    digests = [word for word in words if word.startswith("#")]
    return _line(user, ROLES[role], digests, own=_OWN) if digests else line


def _is_for_replication(name: str, line: str) -> bool:
    """Whether we wrote the line while REDIS_SENTINELS was set; a user of that name with other rights is not ours."""
    role = REPLICATION_ROLES.get(name)
    return role is not None and _without_password(line) == _without_password(_user(name, role, ()))


def _without_password(line: str) -> list[str]:
    return [word for word in line.split() if not word.startswith("#")]


def _users(text: str) -> dict[str, str]:
    """Lines by the name of their user. Redis reads no file with two lines for one user, and skips leading blanks."""
    lines = (line.strip() for line in text.splitlines())
    return {words[1]: line for line in lines if len(words := line.split()) > 1 and words[0] == "user"}


def sentinel_acl_file(passwords: Mapping[str, str]) -> str:
    """The text of a sentinel's ACL file. Its users may ask and vote, and neither reconfigure nor start a failover.

    Args:
        passwords: by role; every role of `SENTINEL_ROLES`.
    """
    return "".join(_user(name, role, (passwords[name],)) + "\n" for name, role in SENTINEL_ROLES.items())


def _user(name: str, role: RedisRole, passwords: Iterable[str], *, own: str = "") -> str:
    digests = dict.fromkeys(f"#{_digest(password)}" for password in passwords if password)
    return _line(name, role, digests, own=own)


def _line(name: str, role: RedisRole, digests: Iterable[str], *, own: str = "") -> str:
    commands = (f"+{command}" for command in role.commands.split())
    rules = ("resetkeys", *role.keys, own, "resetchannels", *role.channels, "-@all", *commands)
    return " ".join(("user", name, "on", *digests, *filter(None, rules)))


def _digest(password: str) -> str:
    return hashlib.sha256(password.encode()).hexdigest()
