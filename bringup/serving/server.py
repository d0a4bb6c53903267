"""One listener of HTTP or HTTPS, with gunicorn and gevent: no control socket, no debug server."""

import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger

from bringup import errors, log, tls
from bringup.service_manager import Notifier
from bringup.settings import Settings

# Seconds in which the workers of a master that was killed notice that, and free the port.
_PREDECESSOR_S = 10
# Seconds for requests under way: below the 10 s in which a service must have stopped.
_GRACEFUL_S = 8


# In the WSGI environment of a request: it has no line in the access log.
UNLOGGED = "bringup.unlogged"


@dataclass(frozen=True)
class Listener:
    """One port, and what is served there.

    Args:
        name: of the service, for its processes and its log.
        host, port: where it listens.
        host_setting, port_setting: the variables that set them, for messages.
        make_app: the application, made in each process.
        asks_clients: whether clients are asked for a certificate.
        processes: that serve it.
        certificate: the settings of its certificate begin with this.
        started: called with the application in each process, before it serves.
        shares_port: another server of the same user may listen there at the same time.
    """

    name: str
    host: str
    port: int
    host_setting: str
    port_setting: str
    make_app: Callable[[Settings], Flask]
    asks_clients: bool = True
    processes: int = 1
    certificate: str = "api_tls"
    started: Callable[[Flask], None] | None = None
    shares_port: bool = False


class HttpServer(BaseApplication):
    """gunicorn, configured from our settings alone: no configuration file, no environment, no arguments."""

    def __init__(self, settings: Settings, listener: Listener) -> None:
        self.settings = settings
        self._listener = listener
        # Before gunicorn looks for it: its master would report that it serves while no worker does.
        self.notifier = Notifier.taken_from()
        super().__init__()

    def do_load_config(self) -> None:
        """As gunicorn's, which would print an error of ours and exit. Raises SettingsError."""
        self.load_default_config()
        self.load_config()
        self.cfg.validate()

    def load_config(self) -> None:
        """Translate our settings into gunicorn's."""
        for name, value in _options(self.settings, self._listener).items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        """The application, made in each worker process."""
        app = self._listener.make_app(self.settings)
        if self._listener.started:
            self._listener.started(app)
        return app


class ServerLog(Logger):
    """gunicorn's log: handed to the root logger, so that it goes where ours goes, in our format."""

    def setup(self, cfg: Any) -> None:
        """Called by gunicorn at start and on reload."""
        super().setup(cfg)
        self.error_log.handlers.clear()
        self.error_log.propagate = True
        service = cfg.proc_name.removeprefix("bringup-")
        self.error_log.name = f"{service}.server"
        self._name_of_access = f"{service}.access"

    def access(self, resp: Any, req: Any, environ: Any, request_time: Any) -> None:
        """One line for a request, unless its application has marked it as not worth one.

        Made here: gunicorn collects every header for each line, whatever the line shows of them; and a record of the
        library costs three times what the line does.

        Args:
            resp, req, environ: as gunicorn has them.
            request_time: how long the request took.
        """
        if environ.get(UNLOGGED):
            return
        status, took_ms = str(resp.status).partition(" ")[0], request_time // timedelta(milliseconds=1)
        # Of a request that gunicorn refuses there is less in the environment.
        path = environ.get("PATH_INFO", req.path)
        where = f"{environ.get('REMOTE_ADDR', '-')} {environ['REQUEST_METHOD']} {path}"
        log.write_line(self._name_of_access, f"{where} {status} {resp.sent} {took_ms}ms")


def listen(settings: Settings, listener: Listener) -> None:
    """Serve until SIGTERM. Raises SettingsError before anything listens: the port is taken, a TLS file unusable."""
    server = HttpServer(settings, listener)
    _check_port(listener)
    server.run()


def _check_port(listener: Listener) -> None:
    """Wait for the port: the workers of a master that was killed hold it until they notice.

    gunicorn itself would try five times and then only log it.
    """
    deadline, is_logged = time.monotonic() + _PREDECESSOR_S, False
    # A try every half second: a restart must not take seconds longer than the port is busy.
    while True:
        try:
            _try_port(listener)
        except errors.SettingsError as error:
            if time.monotonic() > deadline:
                raise
            if not is_logged:
                log.get("server").warning("waiting for the port", why=error.problems[0])
            is_logged = True
            time.sleep(0.5)
        else:
            return


def _try_port(listener: Listener) -> None:
    host, port, setting = listener.host, listener.port, listener.port_setting
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if listener.shares_port:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            hint = f"set {listener.host_setting} and {setting} to an address of this host that is free"
            raise errors.SettingsError(
                [f"{setting}: cannot listen on {host}:{port}: {error.strerror}; {hint}"]
            ) from None


def _options(settings: Settings, listener: Listener) -> dict[str, object]:
    host = listener.host
    return {
        "bind": f"{f'[{host}]' if ':' in host else host}:{listener.port}",
        # Without a gap in an upgrade: the new server listens before the old one ends. Not by default, for a second
        # server that is started by mistake must be refused. Source: socket(7), SO_REUSEPORT
        "reuse_port": listener.shares_port,
        "worker_class": "bringup.serving.gevent_worker.Worker",
        "workers": listener.processes,
        "keepalive": settings.api_header_timeout_s,
        "timeout": 60,
        "graceful_timeout": _GRACEFUL_S,
        "control_socket_disable": True,
        "proc_name": f"bringup-{listener.name}",
        "loglevel": settings.log_level.lower(),
        "logger_class": "bringup.serving.server.ServerLog",
        "forwarded_allow_ips": "",
        **_tls_options(settings, listener),
    }


def _tls_options(settings: Settings, listener: Listener) -> dict[str, object]:
    """The files only show gunicorn that this is HTTPS; the hook makes the context, and another when they change.

    Raises:
        SettingsError: a file is missing or does not fit.
    """
    if not settings.api_use_tls:
        return {}
    contexts = tls.ServerContexts(settings, asks_clients=listener.asks_clients, certificate=listener.certificate)
    contexts.get()
    return {
        "certfile": str(settings.path_of(f"{listener.certificate}_cert")),
        "keyfile": str(settings.path_of(f"{listener.certificate}_key")),
        "ssl_context": lambda _config, _default: contexts.get(),
        "do_handshake_on_connect": False,  # the worker does it, against the clock
    }
