"""The factory of Redis connections: one server, or the master that the sentinels name."""

from redis import ConnectionPool, Redis

from bringup import tls
from bringup.connections.master import master_pool
from bringup.connections.redis_transport import PlainConnection, TlsConnection, TlsPool, login, options
from bringup.connections.replicated import ReplicatedRedis
from bringup.connections.sentinel import Sentinels
from bringup.settings import Settings


def connect_redis(settings: Settings, contexts: tls.ClientContexts, *, name: str, replicated: bool = False) -> "Redis":
    """A client for the Redis of ``settings``; it connects on first use. There is no fall-back to plain text.

    Args:
        name: shown by ``CLIENT LIST``, so that an operator sees who is connected.
        replicated: with REDIS_SENTINELS, a transaction counts only when the replicas have it: see `ReplicatedRedis`.
    """
    if settings.sentinels:
        sentinels = Sentinels(settings, contexts, name=name)
        pool = master_pool(settings, contexts, sentinels, name=name)
        return ReplicatedRedis(pool, sentinels) if replicated else Redis(connection_pool=pool)
    pool_class = TlsPool if settings.redis_use_tls else ConnectionPool
    return Redis(
        connection_pool=pool_class(
            connection_class=TlsConnection if settings.redis_use_tls else PlainConnection,
            host=settings.redis_host,
            port=settings.redis_port,
            **options(settings, contexts, name=name, timeout_s=settings.redis_timeout_s),
            **login(settings),
        )
    )
