"""The application factory: a console in, a Flask application out."""

from types import ModuleType

from flask import Flask, Response, render_template, request
from werkzeug.exceptions import HTTPException

from bringup import __version__, errors
from console import formats, guard
from console.lines import MachineLines
from console.services import Console
from console.views import actions, machines, runs, services, sign_in, static

# The pages, and what they load.
_VIEWS: tuple[ModuleType, ...] = (machines, runs, actions, services, sign_in, static)


def create_app(console: Console) -> Flask:
    """The page of ``console``. Connects to nothing: `console.server` starts what follows the feed."""
    app = Flask("console", static_folder=None)
    app.url_map.merge_slashes = False  # a redirect would repeat the client's Host header
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.extensions["console"] = console
    for module in _VIEWS:
        app.register_blueprint(module.bp)
    guard.guard(app)
    formats.register(app)
    lines = MachineLines(app.jinja_env)
    app.context_processor(lambda: _shared(console, lines))
    app.register_error_handler(HTTPException, _show_error)
    app.register_error_handler(errors.ApiUnavailable, _show_away)
    app.register_error_handler(errors.ApiRejected, _show_refused)
    return app


def _shared(console: Console, lines: MachineLines) -> dict[str, object]:
    """What every template may use."""
    return {
        "console": console,
        "fresh": console.freshness,
        "fleet": console.fleet,
        "version": __version__,
        "uses_tls": console.settings.api_use_tls,
        "asset": static.address_of,
        "line": lines.line,
        "services_needing": services.needing,
    }


def _show_error(error: HTTPException) -> tuple[str, int]:
    status = error.code or 500
    detail = error.description if status < 500 else "The console has failed to make this page; its log says why."
    return render_template("error.html", title=error.name, detail=detail), status


def _show_away(error: errors.ApiUnavailable) -> tuple[str, int]:
    return render_template("error.html", title="The API does not answer", detail=str(error)), 503


def _show_refused(error: errors.ApiRejected) -> tuple[str, int] | Response:
    status = 404 if error.kind.startswith("unknown_") else 502
    if status == 404 and request.headers.get("HX-Request"):
        # A poll of a page whose run or machine is gone: without this the page would go on to show it, as if it were.
        return Response(status=404, headers={"HX-Refresh": "true"})
    return render_template("error.html", title="The API refuses this", detail=str(error)), status
