"""How bytes reach a Redis server or a sentinel: plain or mutual TLS as ``REDIS_USE_TLS`` says, with codes of errors."""

import _socket
import fcntl
import functools
import select
import socket
import termios
from collections.abc import Callable
from pathlib import Path
from types import BuiltinFunctionType
from typing import TYPE_CHECKING, Any

import redis
from redis.backoff import ExponentialWithJitterBackoff
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import Retry

from bringup import openssl_errors, tls, tls_sessions
from bringup.connections.polled_socket import PolledSocket
from bringup.connections.recent_context import RecentContext
from bringup.settings import Settings

if TYPE_CHECKING:
    import ssl

_TRIES_AGAIN = 1  # one quick second try hides a connection that died while idle; longer waits belong to the callers
# Twice the most threads that a setting allows, and room for loops. redis-py's own bound of 100 raises an error for
# each thread beyond it, as if Redis were away; who bounds the connections is WORKER_CONCURRENCY or API_THREADS.
_MOST_CONNECTIONS = 1024
# The state of a connection that neither side has closed: the first byte of TCP_INFO. Source: tcp(7), linux/tcp.h.
_ESTABLISHED = b"\x01"


class _OurParser:
    """Base of our connection classes: their replies are read by our variant of redis-py's parser."""

    def set_parser(self, parser_class: Any) -> None:
        """As redis-py."""
        keeping = _keeping_codes(parser_class)
        super().set_parser(keeping if _polls_for_itself() else _without_poll(keeping))  # type: ignore[misc]


def _polls_for_itself() -> bool:
    """Whether a poll is a system call; where gevent has patched it, it is a turn of the event loop."""
    return isinstance(select.poll, BuiltinFunctionType)


@functools.cache
def _keeping_codes(parser_class: Any) -> Any:
    class CodeKeepingParser(parser_class):  # type: ignore[misc]
        """Every error of the server keeps its code in ``status_code``.

        redis-py sets it only for the codes that have a class of their own.
        """

        @classmethod
        def parse_error(cls, response: str) -> redis.RedisError:
            error: redis.RedisError = super().parse_error(response)
            if error.status_code is None:
                error.status_code = response.partition(" ")[0]
            return error

    return CodeKeepingParser


@functools.cache
def _without_poll(parser_class: Any) -> Any:
    class UnpolledParser(parser_class):  # type: ignore[misc]
        """Asks the kernel whether anything has come, as redis-py's pool does before each command by a poll."""

        def can_read(self, timeout: float) -> bool:
            """As redis-py."""
            if timeout or not _is_quiet(self._sock):
                return bool(super().can_read(timeout))
            return bool(self._reader.has_data())

    return UnpolledParser


def _is_quiet(sock: "socket.socket | None") -> bool:
    """Whether the server has neither closed nor sent what was not read: of TLS, not even a part of a record."""
    if sock is None or not hasattr(socket, "TCP_INFO") or (hasattr(sock, "pending") and sock.pending()):
        return False
    unread = fcntl.ioctl(sock.fileno(), termios.FIONREAD, bytes(4))
    return not any(unread) and sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1) == _ESTABLISHED


class PlainConnection(_OurParser, redis.Connection):
    """redis-py's own, with our parser."""


class TlsConnection(_OurParser, redis.SSLConnection):
    """redis-py builds a context per connection, which trusts every public CA; this takes ours, built once.

    Args:
        context: the one to use for a connection that is made now.
        sessions: of all connections of this process.
        certificate: our own; its end is that of each session, too.
    """

    _offered: "ssl.SSLSession | None" = None

    def __init__(
        self,
        *,
        context: "Callable[[], ssl.SSLContext]",
        sessions: tls_sessions.TlsSessions,
        certificate: Path,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._context_now = context
        self._sessions = sessions
        self._certificate = certificate
        self._context: ssl.SSLContext | None = None

    def is_outdated(self, context: "ssl.SSLContext | None") -> bool:
        """Whether it was made with other certificate files than ``context``, and with others than there are now."""
        return self._context is not context and self.is_connected and self._context is not self._context_now()

    def on_connect_check_health(self, check_health: bool = True) -> None:  # noqa: FBT001, FBT002 - redis-py's signature
        """As in redis-py; the session comes with the first answer."""
        super().on_connect_check_health(check_health)
        connected: Any = self._sock
        if self._context and connected:
            self._sessions.keep(self._context, (self.host, self.port), connected, self._certificate)

    def _connect(self) -> Any:
        self._offered = None
        try:
            return super()._connect()  # type: ignore[no-untyped-call]
        except OSError as error:
            if self._offered is None or self._context is None or not openssl_errors.is_tls(error):
                raise
        # Without a second handshake a server that does not resume would cost an error a connection.
        self._sessions.refused(self._context, (self.host, self.port))
        return super()._connect()

    def _wrap_socket_with_ssl(self, sock: "socket.socket") -> "ssl.SSLSocket | PolledSocket":
        self._context = self._context_now()
        self._offered = self._sessions.session(self._context, (self.host, self.port))
        made = self._context.wrap_socket(sock, server_hostname=self.host, session=self._offered)
        return PolledSocket(made) if _is_pythons_own(made) else made


def _is_pythons_own(sock: object) -> bool:
    """Whether it blocks its thread; those of gevent, in the API, wait in turns."""
    return isinstance(sock, _socket.socket)


class TlsPool(redis.ConnectionPool):
    """Ends connections that were made with replaced certificate files.

    Idle ones end at the first use of the pool a tenth of a second later. A busy one is not used again after it was
    given back: ended earlier, it would take the answer to its command with it.
    """

    _context: "ssl.SSLContext | None" = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._contexts = RecentContext(self.connection_kwargs["context"])

    def get_connection(self, *args: Any, **kwargs: Any) -> Any:
        """As in redis-py."""
        context = self._contexts.recent()
        if context is not self._context:
            self._context = context
            self.disconnect(inuse_connections=False)
        return super().get_connection(*args, **kwargs)

    def release(self, connection: Any) -> None:
        """As in redis-py."""
        # Against the files as they were when it was taken: to look again would double what each command costs. An idle
        # one ends at the next use of the pool.
        if connection.is_outdated(self._context):
            connection.disconnect()
        super().release(connection)


def options(settings: Settings, contexts: tls.ClientContexts, *, name: str, timeout_s: float) -> dict[str, Any]:
    """What every connection is made with, whatever it leads to: a Redis server or a sentinel.

    Args:
        name: shown by ``CLIENT LIST``.
        timeout_s: for connecting, and for each answer.
    """
    made: dict[str, Any] = {
        "client_name": f"bringup-{name}",
        "max_connections": _MOST_CONNECTIONS,
        "socket_connect_timeout": timeout_s,
        "socket_timeout": timeout_s,
        "socket_keepalive": True,
        "health_check_interval": 30,
        "retry": Retry(ExponentialWithJitterBackoff(base=0.05, cap=0.2), _TRIES_AGAIN),
        # Three round trips a connection: only Redis Enterprise sends such notices, and older servers know no SETINFO.
        "maint_notifications_config": MaintNotificationsConfig(enabled=False),
        "driver_info": None,
    }
    if settings.redis_use_tls:
        made["context"] = functools.partial(contexts.get, *tls.redis_files(settings))
        made["sessions"] = contexts.sessions
        made["certificate"] = settings.path_of("redis_tls_cert")
    return made


def login(settings: Settings) -> dict[str, Any]:
    """Who we are at the Redis servers, and which database we use."""
    password = settings.redis_password
    return {
        "db": settings.redis_db,
        "username": settings.redis_username,
        "password": password.get_secret_value() if password else None,
    }
