"""Redis connections: plain or mutual TLS as ``REDIS_USE_TLS`` says."""

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import redis
from redis.backoff import ExponentialWithJitterBackoff
from redis.retry import Retry

from bringup import tls
from bringup.connections.redis_errors import KeepsErrorCodes
from bringup.settings import Settings

if TYPE_CHECKING:
    import socket
    import ssl


class _PlainConnection(KeepsErrorCodes, redis.Connection):
    """redis-py's own, which keeps the codes of errors."""


class _TlsConnection(KeepsErrorCodes, redis.SSLConnection):
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
    connection_class: type[redis.Connection] = _PlainConnection
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
