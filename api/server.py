"""Serving the API, and the images."""

import gc
from functools import partial
from threading import Thread

from flask import Flask

from api.app import create_app, create_images_app
from api.auth import opens_everything
from api.est.trust import CrlWriter
from api.state.installation import Installation
from bringup import audit, log, operators
from bringup.serving.server import Listener, listen
from bringup.settings import Settings


def serve(settings: Settings, *, accept_redis: bool = False, share_port: bool = False) -> None:
    """Serve until SIGTERM.

    Args:
        accept_redis: a person accepts what Redis holds now: see `api.state.installation`.
        share_port: another API of the same user may listen there, too: the one that this one replaces.

    Raises:
        SettingsError, InventoryError, OperatorsError: before anything listens.
        AuditError: that a person accepts Redis cannot be recorded.
    """
    app = create_app(settings)
    if accept_redis:
        _accept(settings, app.extensions["bringup"].installation)
    if opens_everything(settings, operators.Operators.read(settings.operators_file)):
        text = "no operator is named: API_TOKEN opens what operators do, too; `bringup operator add NAME` ends that"
        log.get("api").warning(text)
    inventory = app.extensions["bringup"].hosts.own_file.current()
    del app
    # The processes share what is here until they write to it, and the collector writes to whatever it looks at.
    gc.collect()
    gc.freeze()
    listen(
        settings,
        Listener(
            "api",
            settings.callback_api_host,
            settings.callback_api_port,
            "CALLBACK_API_HOST",
            "CALLBACK_API_PORT",
            partial(create_app, inventory=inventory),
            processes=settings.api_workers,
            started=partial(_start_threads, settings),
            shares_port=share_port,
        ),
    )


def _accept(settings: Settings, installation: Installation) -> None:
    withheld = installation.status().withheld
    if withheld is None:
        text = (
            "no machine is withheld: remove --accept-redis, or ACCEPT_REDIS from this service's environment; "
            "a start that has it accepts the next loss unseen"
        )
        log.get("api").warning(text)
    before = withheld or "nothing is withheld"
    with audit.recorded_on_host(settings.audit_path, "redis.accept", "redis", before=before, after="accepted"):
        installation.accept()


def serve_images(settings: Settings, *, share_port: bool = False) -> None:
    """Serve the images alone until SIGTERM, to clients that have no certificate. ``share_port``: as `serve`.

    Raises:
        SettingsError: before anything listens.
    """
    create_images_app(settings)
    listen(
        settings,
        Listener(
            "images",
            settings.callback_api_host,
            settings.image_port,
            "CALLBACK_API_HOST",
            "IMAGE_PORT",
            create_images_app,
            asks_clients=False,
            processes=settings.api_workers,
            shares_port=share_port,
        ),
    )


def _start_threads(settings: Settings, app: Flask) -> None:
    """What a process of the API does besides serving."""
    given = app.extensions["bringup"]
    Thread(target=given.hosts.keep_comparing, args=(given.installation.status,), daemon=True).start()
    if settings.api_use_tls:
        Thread(target=CrlWriter(given.trust, settings).keep_current, daemon=True).start()
