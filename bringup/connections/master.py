"""Connections to the master that the sentinels name: none stays at a server that is the master no more.

Source: https://redis.io/docs/latest/develop/reference/sentinel-clients/
"""

from typing import Any, cast

import redis
from redis.sentinel import SentinelConnectionPool, SentinelManagedConnection

from bringup import tls
from bringup.connections import redis_transport, sentinel
from bringup.settings import Settings


class _AtTheMaster(SentinelManagedConnection):
    """A connection to whatever server is the master when it is opened, and that ends when this one is so no more.

    Sentinel closes the connections of a master that it demotes; this sees to those that it could not close.
    """

    def connect(self) -> None:
        """Ask the sentinels and connect, once: a command is tried again with its next connection."""
        self._connect_retry()  # type: ignore[no-untyped-call]

    def on_connect_check_health(self, check_health: bool = True) -> None:  # noqa: FBT001, FBT002 - redis-py's signature
        """Log in, and make sure that this is a master: a sentinel may not know yet what the others have decided."""
        super().on_connect_check_health(check_health)
        self.send_command("ROLE", check_health=False)  # type: ignore[no-untyped-call]
        role = cast("list[Any]", self.read_response())[0]
        if role not in {b"master", "master"}:
            raise redis.ConnectionError(f"{self.host}:{self.port} was named as the master and is none")

    def read_response(self, disable_decoding: Any = False, **kwargs: Any) -> Any:  # noqa: FBT002 - redis-py's signature
        """As any other connection, closed after an error: redis-py would give what is left to the next command."""
        try:
            return super().read_response(disable_decoding, **({"disconnect_on_error": True} | kwargs))
        except redis.ResponseError as error:
            if error.status_code == "NOREPLICAS":  # a former master answers so, until it follows the new one
                self.mark_for_reconnect()  # type: ignore[no-untyped-call]
            raise


class _PlainAtTheMaster(_AtTheMaster, redis_transport.PlainConnection):
    """Plain text."""


class _TlsAtTheMaster(_AtTheMaster, redis_transport.TlsConnection):
    """Mutual TLS; the name that is checked is the one that the sentinel gave."""


class _TlsMasterPool(redis_transport.TlsPool, SentinelConnectionPool):
    """Ends connections that were made with replaced certificate files, too."""


def master_pool(
    settings: Settings, contexts: tls.ClientContexts, sentinels: sentinel.Sentinels, *, name: str
) -> SentinelConnectionPool:
    """Connections to the master. One that is given back after the master has changed is closed by redis-py.

    Args:
        sentinels: they name the master.
        name: shown by ``CLIENT LIST``.
    """
    pool_class = _TlsMasterPool if settings.redis_use_tls else SentinelConnectionPool
    made: SentinelConnectionPool = pool_class(  # type: ignore[no-untyped-call]
        sentinels.name,
        sentinels.manager,
        connection_class=_TlsAtTheMaster if settings.redis_use_tls else _PlainAtTheMaster,
        **redis_transport.options(settings, contexts, name=name, timeout_s=settings.redis_timeout_s),
        **redis_transport.login(settings),
    )
    return made
