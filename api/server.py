"""Serving the API with gunicorn: threads, deadlines for slow clients, no control socket, no debug server."""

import contextlib
import socket
import time
from typing import TYPE_CHECKING, Any

from gunicorn.app.base import BaseApplication
from gunicorn.workers.gthread import TConn, ThreadWorker

from api.app import create_app
from bringup import tls
from bringup.errors import SettingsError
from bringup.settings import Settings

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

_LEAST_BYTES_PER_S = 256 * 1024  # a body that comes slower is cut off
_WORK_S = 20  # for what the request asks, once its body is there
_LINGER_S = 0.3
_DRAIN_BYTES = 64 * 1024
_PREDECESSOR_S = 10
_GRACEFUL_S = 8  # below the 10 s in which a service must have stopped


class DeadlineWorker(ThreadWorker):
    """gthread waits for ever for the rest of a request header, so that a few silent clients stop the service.

    This cuts off a connection whose header is not complete, or whose request is not answered, in time.
    """

    header_timeout_s: float = 10

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._deadlines: dict[TConn, float] = {}

    def handle(self, conn: TConn) -> Any:
        """Serve one request, against the clock."""
        self._deadlines[conn] = time.monotonic() + self.header_timeout_s
        try:
            keep = super().handle(conn)
        finally:
            self._deadlines.pop(conn, None)
        if not keep:
            _linger(conn)
        return keep

    def handle_request(self, req: Any, conn: TConn) -> Any:
        """The header is there; what is left has its own time."""
        self._deadlines[conn] = time.monotonic() + self.header_timeout_s + _body_s(req) + _WORK_S
        return super().handle_request(req, conn)

    def murder_pending(self) -> None:
        """Called once a second by the worker's loop."""
        super().murder_pending()
        now = time.monotonic()
        for conn, deadline in list(self._deadlines.items()):
            if now > deadline:
                self._deadlines.pop(conn, None)
                _cut_off(conn)


def _body_s(req: Any) -> float:
    """How long the announced body may take; a chunked one announces nothing."""
    length = next((value for name, value in req.headers if name == "CONTENT-LENGTH"), "0")
    return int(length) / _LEAST_BYTES_PER_S if length.isdigit() else 0


def _linger(conn: TConn) -> None:
    """Let the last answer arrive, briefly. gunicorn would wait two seconds for each, in the thread that accepts.

    gunicorn closes the socket itself, and counts it; shut both ways, it has nothing to wait for.
    """
    with contextlib.suppress(OSError):
        conn.sock.shutdown(socket.SHUT_WR)
        conn.sock.settimeout(_LINGER_S)
        conn.sock.recv(_DRAIN_BYTES)
    _cut_off(conn)


def _cut_off(conn: TConn) -> None:
    """Ends the blocking read in the worker's thread, which then closes the socket itself."""
    with contextlib.suppress(OSError):
        conn.sock.shutdown(socket.SHUT_RDWR)


class Server(BaseApplication):
    """gunicorn, configured from our settings alone: no configuration file, no environment, no arguments."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        super().__init__()

    def load_config(self) -> None:
        """Translate our settings into gunicorn's."""
        for name, value in _options(self._settings).items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        """The application, made in each worker process."""
        return closing(create_app(self._settings))


def closing(app: "WSGIApplication") -> "WSGIApplication":
    """gunicorn drops a response's ``Connection: close``; this makes it end the connection and say so.

    Without it a body that nobody reads is waited for, five seconds in a thread of the service.
    """

    def closes(environ: "WSGIEnvironment", start_response: Any) -> Any:
        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            if ("Connection", "close") in headers:
                start_response.__self__.force_close()
            return start_response(status, headers, exc_info)

        return app(environ, start)

    return closes


def serve(settings: Settings, *, accept_redis: bool = False) -> None:
    """Serve until SIGTERM.

    Args:
        accept_redis: see `api.continuity`.

    Raises:
        SettingsError, InventoryError: found before anything listens.
    """
    app = create_app(settings)
    if accept_redis:
        app.extensions["bringup"].continuity.accept()
    server = Server(settings)
    _check_port(settings)
    server.run()


def _check_port(settings: Settings) -> None:
    """gunicorn would try five times and then only log it.

    The workers of a master that was killed hold the port until they notice: a restart waits for them.
    """
    deadline = time.monotonic() + _PREDECESSOR_S
    while True:
        try:
            _try_port(settings)
        except SettingsError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)
        else:
            return


def _try_port(settings: Settings) -> None:
    host, port = settings.callback_api_host, settings.callback_api_port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            hint = "set CALLBACK_API_HOST and CALLBACK_API_PORT to an address of this host that is free"
            raise SettingsError(
                [f"CALLBACK_API_PORT: cannot listen on {host}:{port}: {error.strerror}; {hint}"]
            ) from None


def _options(settings: Settings) -> dict[str, object]:
    host = settings.callback_api_host
    return {
        "bind": f"{f'[{host}]' if ':' in host else host}:{settings.callback_api_port}",
        "worker_class": type("Worker", (DeadlineWorker,), {"header_timeout_s": settings.api_header_timeout_s}),
        "workers": settings.api_workers,
        "threads": settings.api_threads,
        "worker_connections": 1000,
        "keepalive": 5,
        "timeout": 60,
        "graceful_timeout": _GRACEFUL_S,
        "control_socket_disable": True,
        "proc_name": "bringup-api",
        "loglevel": settings.log_level.lower(),
        "logger_class": "api.server_log.ServerLog",
        "accesslog": "-",
        "access_log_format": "%(h)s %(m)s %(U)s %(s)s %(b)s %(M)sms",
        "forwarded_allow_ips": "",
        **_tls_options(settings),
    }


def _tls_options(settings: Settings) -> dict[str, object]:
    """The files only tell gunicorn that this is HTTPS; the hook makes the context, anew when they change.

    Raises:
        SettingsError: a file is missing or does not fit.
    """
    if not settings.api_use_tls:
        return {}
    contexts = tls.ServerContexts(settings)
    contexts.get()
    return {
        "certfile": str(settings.path_of("api_tls_cert")),
        "keyfile": str(settings.path_of("api_tls_key")),
        "ssl_context": lambda _config, _default: contexts.get(),
        "do_handshake_on_connect": False,  # so that a stalled handshake meets the deadline too
    }
