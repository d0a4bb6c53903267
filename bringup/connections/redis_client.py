"""Redis: one server, or the master that the sentinels name. How it is connected to and asked, and what an error means.

What an error means is decided by its class and by the error code that the server sent, never by its text: redis-py
cuts the code off some errors, puts the command before others, and the text of a command may hold what a device has
written.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import cast

import redis

from bringup import errors, keys, tls
from bringup.connections.master import master_pool
from bringup.connections.redis_transport import PlainConnection, TlsConnection, TlsPool, login, options
from bringup.connections.replicated import ReplicatedRedis
from bringup.connections.sentinel import SentinelRefused, Sentinels
from bringup.openssl_errors import TO_REDIS, failure_text, is_tls
from bringup.settings import Address, Settings

# No right to ask; or no such command, as in the Redis of a cloud.
_MAY_NOT_ASK = {"NOPERM", "ERR"}
# Reads work, writes are refused.
# Source: processCommand() in Redis's server.c, which is where all of these are made.
_REFUSES_WRITES = {
    "OOM": "its memory is full: raise its maxmemory, or give it a larger host",
    "MISCONF": "it cannot write to its disk: free space on it, and see the log of redis-server",
    "READONLY": "it is a read-only replica: point REDIS_HOST at the master",
    "NOREPLICAS": "fewer replicas are connected than its min-replicas-to-write: start them",
}
# Nothing works, or not this command, for a while.
_UNAVAILABLE = {
    "LOADING": "it is loading its data after a start",
    "MASTERDOWN": "it is a replica that has lost its master",
    "BUSY": "a script or a function keeps it busy",
    "UNBLOCKED": "it interrupted a blocking command, as it does when its role changes",
    "CLUSTERDOWN": "its cluster is down",
    "TRYAGAIN": "its cluster is moving keys",
}
_RIGHTS = "check REDIS_USERNAME, and whether users.acl is of an older version: `bringup redis-conf --force` renews it"
# Of INCRBY and the like; the code is ERR. Source: getLongLongFromObjectOrReply(), incrDecrCommand() in Redis.
_NO_NUMBER = ("is not an integer", "increment or decrement would overflow")
# A key of ours in the text of an error: in a pipeline redis-py begins it with the command, and our scripts name it.
_NAMES_KEY = re.compile(r"(?:Command # \d+ \([A-Z]+|WRONGTYPE) ((?:bringup|rq):[\w:.@-]+)")
_TRANSACTION_REFUSED = "Transaction discarded because of: "  # then the code; execCommandAbort() in Redis's multi.c
# The code is ERR, as of many other errors: Redis 7.0; Redis 8 and Valkey 8.
_REFUSED_IN_A_SCRIPT = ("The user executing the script can't", "ACL failure in script: ")


def connect_redis(
    settings: Settings, contexts: tls.ClientContexts, *, name: str, replicated: bool = False
) -> redis.Redis:
    """A client for the Redis of ``settings``; it connects on first use. There is no fall-back to plain text.

    Args:
        name: shown by ``CLIENT LIST``, so that an operator sees who is connected.
        replicated: with REDIS_SENTINELS, a transaction counts only when the replicas have it: see `ReplicatedRedis`.
    """
    if settings.sentinels:
        sentinels = Sentinels(settings, contexts, name=name)
        pool = master_pool(settings, contexts, sentinels, name=name)
        return ReplicatedRedis(pool, sentinels) if replicated else redis.Redis(connection_pool=pool)
    pool_class = TlsPool if settings.redis_use_tls else redis.ConnectionPool
    return redis.Redis(
        connection_pool=pool_class(
            connection_class=TlsConnection if settings.redis_use_tls else PlainConnection,
            host=settings.redis_host,
            port=settings.redis_port,
            **options(settings, contexts, name=name, timeout_s=settings.redis_timeout_s),
            **login(settings),
        )
    )


def redis_servers(settings: Settings, contexts: tls.ClientContexts) -> tuple[Address, ...]:
    """Every Redis server: the one of ``settings``, or those that the sentinels know.

    Raises:
        RedisUnavailable, RedisRefused: as `redis_errors`; no sentinel helps.
    """
    if not settings.sentinels:
        return ((settings.redis_host, settings.redis_port),)
    with redis_errors(settings):
        return tuple(sorted(Sentinels(settings, contexts, name="servers").servers()))


def redis_now(connection: redis.Redis) -> datetime:
    """The time by Redis's clock. Raises what redis-py raises."""
    seconds, microseconds = connection.time()
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=microseconds)


def fsync_policy(connection: redis.Redis) -> str | None:
    """The value of appendfsync; None: this user may not ask, or no user may. Raises what redis-py raises."""
    try:
        found = cast("dict[str, str]", connection.config_get("appendfsync"))
    except redis.ResponseError as error:
        if error.status_code in _MAY_NOT_ASK:
            return None
        raise
    return found.get("appendfsync", "")


def check_writes(connection: redis.Redis) -> None:
    """Send a write that has no effect. Raises what redis-py raises when Redis would refuse a real one.

    SET with XX on a key that does not exist changes nothing and is not put into the append-only file, yet Redis
    refuses it as it refuses every write that needs memory: it decides by the command, before it looks at the key.
    The fields of INFO show the same only together, and each version of Redis would need its own.

    Source: processCommand() in Redis's server.c.
    """
    connection.set(keys.WRITE_PROBE, "", xx=True, ex=1)


@contextmanager
def redis_errors(settings: Settings) -> Iterator[None]:
    """Turn redis-py's errors inside the block into ours.

    Raises:
        RedisUnavailable: it does not answer, or cannot work now; waiting helps.
        RedisRefusesWrites: the same, while reads work.
        CorruptRecord: a key of ours holds another type.
        RedisRefused: it refuses us; only a person can help.
    """
    try:
        yield
    except redis.RedisError as error:
        translated = translate(error, settings)
        if translated is None:
            raise
        raise translated from error


def is_wrong_type(error: Exception) -> bool:
    """Whether Redis holds another type under a key than the command is for."""
    return isinstance(error, redis.RedisError) and _code(error) == "WRONGTYPE"


def translate(error: redis.RedisError, settings: Settings) -> errors.BringupError | None:
    """The error of ours that ``error`` means; None: a bug of ours, which must be seen as one."""
    where = f"Redis at {settings.redis_address}"
    code = _code(error)
    if hint := _REFUSES_WRITES.get(code):
        return errors.RedisRefusesWrites(f"{where} refuses writes ({code}): {hint}")
    if hint := _UNAVAILABLE.get(code):
        return errors.RedisUnavailable(f"{where} cannot work now ({code}): {hint}")
    if code == "WRONGTYPE":
        return errors.CorruptRecord(f"{where} holds another type under {_key(error)} where a record should be")
    if code == "ERR" and any(text in str(error) for text in _NO_NUMBER):
        return errors.CorruptRecord(f"{where} holds no number that it can add to under {_key(error)}")
    return _refusal(error, code, where, settings) or _silence(error, where, settings)


def _refusal(error: redis.RedisError, code: str, where: str, settings: Settings) -> errors.BringupError | None:
    """It knows what we want, and does not let us."""
    if isinstance(error, SentinelRefused):
        return errors.RedisRefused(f"{where}: {error}; set the one that `bringup redis-conf` was run with")
    if isinstance(error, redis.AuthenticationError | redis.exceptions.AuthenticationWrongNumberOfArgsError):
        # Redis answers a missing password with a long text about HELLO; what counts is that ours is wrong.
        why = "it wants a password, and REDIS_PASSWORD is not set" if settings.redis_password is None else str(error)
        return errors.RedisRefused(f"{where} refused us ({why}); check REDIS_PASSWORD and REDIS_USERNAME")
    if code == "NOPERM" or any(text in str(error) for text in _REFUSED_IN_A_SCRIPT):
        return errors.RedisRefused(f"{where} refused us ({error}); {_RIGHTS}")
    if str(error).startswith("DB index"):  # the code is ERR, as of many other errors
        return errors.RedisRefused(f"{where} has no database {settings.redis_db}; check REDIS_DB")
    return None


def _silence(error: redis.RedisError, where: str, settings: Settings) -> errors.BringupError | None:
    """It does not answer, not in Redis's protocol, or without naming a cause."""
    if isinstance(error, redis.ConnectionError | redis.TimeoutError):
        cause, certificate = errors.innermost(error), settings.path_of("redis_tls_cert")
        if is_tls(cause) or (isinstance(cause, ConnectionError) and not isinstance(cause, ConnectionRefusedError)):
            why = failure_text(cause, TO_REDIS, certificate, uses_tls=settings.redis_use_tls)
            return errors.RedisUnavailable(f"{where} does not answer: {why}")
        return errors.RedisUnavailable(
            f"{where} does not answer ({errors.reason_of(error)}); {_look_at(error, settings)}"
        )
    if isinstance(error, redis.exceptions.InvalidResponse):
        return errors.RedisUnavailable(
            f"{where} does not answer in the protocol of Redis ({error}); another program has this port: "
            "check REDIS_HOST and REDIS_PORT"
        )
    if isinstance(error, redis.exceptions.ExecAbortError):
        return errors.RedisUnavailable(f"{where} refused a transaction as a whole ({error})")
    return None


def _look_at(error: redis.RedisError, settings: Settings) -> str:
    if "closed" in str(error) and not settings.redis_use_tls:
        return "if it expects TLS, set REDIS_USE_TLS=true"
    address = "REDIS_SENTINELS names" if settings.sentinels else "REDIS_HOST and REDIS_PORT name"
    return f"does it run there? {address} its address"


def _key(error: redis.RedisError) -> str:
    found = _NAMES_KEY.match(str(error))
    return found[1] if found else "a key"


def _code(error: redis.RedisError) -> str:
    """The server's error code; of a transaction that was refused as a whole, that of the cause."""
    text = str(error)
    if isinstance(error, redis.exceptions.ExecAbortError) and text.startswith(_TRANSACTION_REFUSED):
        return text.removeprefix(_TRANSACTION_REFUSED).partition(" ")[0]
    return error.status_code or ""
