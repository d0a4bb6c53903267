"""Serving the API, and the images, with gunicorn and gevent: no control socket, no debug server."""

import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Thread
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger

from api.app import create_app, create_images_app
from api.auth import opens_everything
from api.est.trust import CrlWriter
from bringup import audit, errors, log, operators, tls
from bringup.settings import Settings

# Seconds in which the workers of a master that was killed notice that, and free the port.
_PREDECESSOR_S = 10
# Seconds for requests under way: below the 10 s in which a service must have stopped.
_GRACEFUL_S = 8


@dataclass(frozen=True)
class Listener:
    """One port, what is served there, and whether clients are asked for a certificate."""

    name: str
    port_setting: str
    port: int
    make_app: Callable[[Settings], Flask]
    asks_clients: bool = True


class ApiServer(BaseApplication):
    """gunicorn, configured from our settings alone: no configuration file, no environment, no arguments."""

    def __init__(self, settings: Settings, listener: Listener) -> None:
        self.settings = settings
        self._listener = listener
        super().__init__()

    def load_config(self) -> None:
        """Translate our settings into gunicorn's."""
        for name, value in _options(self.settings, self._listener).items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        """The application, made in each worker process."""
        app = self._listener.make_app(self.settings)
        if self._listener.name == "api":
            given = app.extensions["bringup"]
            Thread(target=given.hosts.keep_comparing, daemon=True).start()
            if self.settings.api_use_tls:
                Thread(target=CrlWriter(given.trust, self.settings).keep_current, daemon=True).start()
        return app


class ServerLog(Logger):
    """gunicorn's log: handed to the root logger, so that it goes where ours goes, in our format."""

    def setup(self, cfg: Any) -> None:
        """Called by gunicorn at start and on reload."""
        super().setup(cfg)
        for logger in (self.error_log, self.access_log):
            logger.handlers.clear()
            logger.propagate = True
        self.access_log.name = "api.access"
        self.error_log.name = "api.server.server"


def serve(settings: Settings, *, accept_redis: bool = False) -> None:
    """Serve until SIGTERM.

    Args:
        accept_redis: a person accepts what Redis holds now: see `api.state.installation`.

    Raises:
        SettingsError, InventoryError, OperatorsError: before anything listens.
        AuditError: that a person accepts Redis cannot be recorded.
    """
    app = create_app(settings)
    if accept_redis:
        installation = app.extensions["bringup"].installation
        before = installation.status().withheld or "nothing is withheld"
        with audit.recorded_on_host(settings.audit_path, "redis.accept", "redis", before=before, after="accepted"):
            installation.accept()
    if opens_everything(settings, operators.Operators.read(settings.operators_file)):
        text = "no operator is named: API_TOKEN opens what operators do, too; `bringup operator add NAME` ends that"
        log.get("api").warning(text)
    _listen(settings, Listener("api", "CALLBACK_API_PORT", settings.callback_api_port, create_app))


def serve_images(settings: Settings) -> None:
    """Serve the images alone until SIGTERM, to clients that have no certificate.

    Raises:
        SettingsError: before anything listens.
    """
    create_images_app(settings)
    listener = Listener("images", "IMAGE_PORT", settings.image_port, create_images_app, asks_clients=False)
    _listen(settings, listener)


def _listen(settings: Settings, listener: Listener) -> None:
    server = ApiServer(settings, listener)
    _check_port(settings.callback_api_host, listener)
    server.run()


def _check_port(host: str, listener: Listener) -> None:
    """Wait for the port: the workers of a master that was killed hold it until they notice.

    gunicorn itself would try five times and then only log it.
    """
    deadline = time.monotonic() + _PREDECESSOR_S
    # A try every half second: a restart must not take seconds longer than the port is busy.
    while True:
        try:
            _try_port(host, listener)
        except errors.SettingsError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)
        else:
            return


def _try_port(host: str, listener: Listener) -> None:
    port, setting = listener.port, listener.port_setting
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            hint = f"set CALLBACK_API_HOST and {setting} to an address of this host that is free"
            raise errors.SettingsError(
                [f"{setting}: cannot listen on {host}:{port}: {error.strerror}; {hint}"]
            ) from None


def _options(settings: Settings, listener: Listener) -> dict[str, object]:
    host = settings.callback_api_host
    return {
        "bind": f"{f'[{host}]' if ':' in host else host}:{listener.port}",
        "worker_class": "api.server.gevent_worker.Worker",
        "workers": settings.api_workers,
        "keepalive": settings.api_header_timeout_s,
        "timeout": 60,
        "graceful_timeout": _GRACEFUL_S,
        "control_socket_disable": True,
        "proc_name": f"bringup-{listener.name}",
        "loglevel": settings.log_level.lower(),
        "logger_class": "api.server.server.ServerLog",
        "accesslog": "-",
        "access_log_format": "%(h)s %(m)s %(U)s %(s)s %(b)s %(M)sms",
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
    contexts = tls.ServerContexts(settings, asks_clients=listener.asks_clients)
    contexts.get()
    return {
        "certfile": str(settings.path_of("api_tls_cert")),
        "keyfile": str(settings.path_of("api_tls_key")),
        "ssl_context": lambda _config, _default: contexts.get(),
        "do_handshake_on_connect": False,  # the worker does it, against the clock
    }
