"""The application factory: settings in, a Flask application out."""

from datetime import timedelta

from flask import Flask

from api import audience, problems
from api.artifacts import Artifacts
from api.body import close_unread
from api.continuity import Continuity
from api.database import Database
from api.inventory_file import InventoryFile
from api.openapi import document
from api.services import Services
from api.store import Store
from api.tokens import RunTokens
from api.views import artifacts, machine, operators, public, trouble, workers
from bringup import tls
from bringup.connections import connect_redis
from bringup.errors import SettingsError
from bringup.settings import Settings

PREFIX = "/api/v1"
INSTALLATION_FILE = "api-installation"


def create_app(settings: Settings) -> Flask:
    """The callback API for ``settings``. Connects to Redis on the first request, not before.

    Raises:
        SettingsError: there is no API_TOKEN; an API that anyone may use is never served.
        InventoryError: the inventory is missing or wrong.
    """
    if settings.api_token is None:
        raise SettingsError(["API_TOKEN: must be set; `bringup init` makes one"])
    database = Database(settings, connect_redis(settings, tls.ClientContexts(), name="api"))
    continuity = Continuity(database, settings.state_dir / INSTALLATION_FILE)
    keep = timedelta(days=settings.run_keep_days)
    inventory = InventoryFile(settings.devices_file)
    inventory.current()
    app = Flask("api", static_folder=None)
    app.url_map.merge_slashes = False  # a redirect would carry the sender's Host header
    for views in (public, workers, machine, trouble, artifacts, operators):
        app.register_blueprint(views.bp, url_prefix=PREFIX)
    problems.register(app)
    audience.guard(app)
    app.after_request(close_unread)
    app.extensions["bringup"] = Services(
        settings=settings,
        store=Store(database, inventory, continuity, keep),
        tokens=RunTokens(database, keep),
        artifacts=Artifacts(database, keep),
        continuity=continuity,
        views=app.view_functions,
        openapi=document(app),
    )
    _refuse_unguarded_views(app)
    return app


def _refuse_unguarded_views(app: Flask) -> None:
    """A view without an audience is a bug that must never reach a network."""
    for endpoint, view in app.view_functions.items():
        if audience.audience_of(view) is None:
            raise RuntimeError(f"view {endpoint} does not say who may call it")
