"""Redis connections: plain or mutual TLS as ``REDIS_USE_TLS`` says, and errors in our own words."""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import redis
from redis.backoff import ExponentialWithJitterBackoff
from redis.retry import Retry

from bringup import tls
from bringup.errors import CorruptRecord, PermanentError, RedisUnavailable
from bringup.settings import Settings

if TYPE_CHECKING:
    import socket
    import ssl

_REFUSED_IN_A_SCRIPT = "The user executing the script can't"  # otherwise it would be a NoPermissionError


class _TlsConnection(redis.SSLConnection):
    """redis-py builds a context per connection, which trusts every public CA; this takes ours, built once."""

    def __init__(self, *, context: "Callable[[], ssl.SSLContext]", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._context = context

    def _wrap_socket_with_ssl(self, sock: "socket.socket") -> "ssl.SSLSocket":
        return self._context().wrap_socket(sock, server_hostname=self.host)


def connect_redis(settings: Settings, contexts: tls.ClientContexts, *, name: str) -> "redis.Redis":
    """A client for the Redis of ``settings``; it connects on first use. There is no fall-back to plain text.

    Args:
        name: shown by ``CLIENT LIST``, so that an operator sees who is connected.
    """
    kwargs: dict[str, Any] = {}
    connection_class: type[redis.Connection] = redis.Connection
    if settings.redis_use_tls:
        connection_class = _TlsConnection
        kwargs["context"] = functools.partial(tls.for_redis, settings, contexts)
    password = settings.redis_password
    pool = redis.ConnectionPool(
        connection_class=connection_class,
        host=settings.redis_host,
        port=settings.redis_port,
        db=settings.redis_db,
        username=settings.redis_username,
        password=password.get_secret_value() if password else None,
        client_name=f"bringup-{name}",
        socket_connect_timeout=settings.redis_timeout_s,
        socket_timeout=settings.redis_timeout_s,
        socket_keepalive=True,
        health_check_interval=30,
        # One quick second try hides a connection that died while idle; longer waits belong to the callers.
        retry=Retry(ExponentialWithJitterBackoff(base=0.05, cap=0.2), 1),
        **kwargs,
    )
    return redis.Redis(connection_pool=pool)


@contextmanager
def redis_errors(settings: Settings) -> Iterator[None]:
    """Turn redis-py's errors inside the block into ours.

    Raises:
        RedisUnavailable: it does not answer, or cannot work now; waiting helps.
        PermanentError: it refuses us; only a person can help.
    """
    where = f"Redis at {settings.redis_host}:{settings.redis_port}"
    try:
        yield
    except (redis.AuthenticationError, redis.exceptions.NoPermissionError) as error:
        # Redis answers a missing password with a lecture on HELLO; what counts is that ours does not do.
        why = "it wants a password, and REDIS_PASSWORD is not set" if settings.redis_password is None else str(error)
        raise PermanentError(f"{where} refused us ({why}); check REDIS_PASSWORD and REDIS_USERNAME") from error
    except (redis.ConnectionError, redis.TimeoutError, redis.BusyLoadingError, redis.ReadOnlyError) as error:
        raise RedisUnavailable(f"{where} does not answer ({error})") from error
    except redis.ResponseError as error:
        if str(error).startswith(("MISCONF", "OOM", "READONLY", "LOADING", "CLUSTERDOWN")):
            raise RedisUnavailable(f"{where} cannot work now ({error})") from error
        if str(error).startswith("WRONGTYPE"):
            raise CorruptRecord(f"{where} holds something that is not ours where a record should be") from error
        if str(error).startswith("DB index"):
            raise PermanentError(f"{where} has no database {settings.redis_db}; check REDIS_DB") from error
        if _REFUSED_IN_A_SCRIPT in str(error):
            raise PermanentError(f"{where} refused us ({error}); check REDIS_USERNAME") from error
        raise
