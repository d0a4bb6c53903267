"""The application factory: settings in, a Flask application out."""

from types import ModuleType

from flask import Flask

from api import auth
from api.http import body, problems
from api.images.run_certificate import check_command
from api.services import Services, make_services
from api.state.inventory_cache import InventoryRead
from api.views import changes, est, images, machine, monitoring, operators, queues, site, workers
from bringup.errors import SettingsError
from bringup.settings import Settings

# The version of the whole API. A change that an older client would not survive gets another.
PREFIX = "/api/v1"
# What is served below it.
_VIEW_MODULES: tuple[ModuleType, ...] = (
    monitoring,
    workers,
    machine,
    images,
    operators,
    queues,
    site,
    changes,
)
# RFC 7030 s.3.2.2
EST_PREFIX = "/.well-known/est"


def create_app(settings: Settings, inventory: InventoryRead | None = None) -> Flask:
    """The callback API for ``settings``. Connects to Redis on the first request, not before.

    Args:
        inventory: what was read of the inventory file already; None: nothing.

    Raises:
        SettingsError: there is no API_TOKEN; an API without authentication is never served.
        SettingsError: VALIDATION_IMAGE names a file that is no image, or RUN_CERTIFICATE_COMMAND no program.
        InventoryError: the inventory is missing or wrong.
    """
    if settings.api_token is None:
        raise SettingsError(["API_TOKEN: must be set; `bringup init` makes one"])
    if settings.machines_need_certificates and settings.run_certificate_command:
        check_command(settings.run_certificate_command)
    app = _app("api", *_VIEW_MODULES)
    app.register_blueprint(est.bp, url_prefix=EST_PREFIX)
    given = make_services(app, settings, serves_images=not settings.image_port, inventory=inventory)
    # Read once before anything listens: with a wrong inventory a start fails, not the first lease.
    given.store.inventory()
    return _with_services(app, given)


def create_images_app(settings: Settings) -> Flask:
    """The images alone, for a port where no client certificate is asked for.

    Raises:
        SettingsError: there is no image, or no port of its own for it.
    """
    if settings.validation_image is None or not settings.image_port:
        port, image = (
            "IMAGE_PORT: must be set to a free port",
            "VALIDATION_IMAGE: must be set to what scripts/iso/build makes",
        )
        missing = port if settings.validation_image else image
        raise SettingsError([f"{missing}, for `bringup images`; without it there is nothing to serve"])
    app = _app("images", images)
    app.add_url_rule(f"{PREFIX}/health", view_func=monitoring.health)
    return _with_services(app, make_services(app, settings, serves_images=True))


def _app(name: str, *views: ModuleType) -> Flask:
    app = Flask(name, static_folder=None)
    app.url_map.merge_slashes = False  # a redirect would repeat the client's Host header
    for module in views:
        app.register_blueprint(module.bp, url_prefix=PREFIX)
    problems.register(app)
    auth.guard(app)
    app.after_request(body.close_unread)
    return app


def _with_services(app: Flask, given: Services) -> Flask:
    app.extensions["bringup"] = given
    _refuse_unguarded_views(app)
    return app


def _refuse_unguarded_views(app: Flask) -> None:
    """A view that names no authentication is a bug that must never reach a network."""
    for endpoint, view in app.view_functions.items():
        if auth.auth_of(view) is None:
            raise RuntimeError(f"view {endpoint} does not name what its caller must present")
