"""The style sheet and scripts: few, small, read once, and kept by browsers as long as they do not change."""

import hashlib
from functools import cache
from importlib.resources import files

from flask import Blueprint, Response, abort

from console.guard import public

bp = Blueprint("static", __name__)
_TYPES = {
    "console.css": "text/css; charset=utf-8",
    "console.js": "text/javascript; charset=utf-8",
    "htmx.min.js": "text/javascript; charset=utf-8",
    "favicon.svg": "image/svg+xml",
}
_DIGITS = 12  # of the hash in an address: another content has another address


@bp.get("/static/<digest>/<name>")
@public
def show_file(digest: str, name: str) -> Response:
    """One file by name; there are no others, whatever path is asked for."""
    if name not in _TYPES or digest != _digest(name):
        abort(404)
    response = Response(_content(name), content_type=_TYPES[name])
    response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
    return response


@bp.get("/health")
@public
def health() -> Response:
    """This process serves."""
    return Response('{"service":"bringup-console"}', mimetype="application/json")


def address_of(name: str) -> str:
    """The address of a file."""
    return f"/static/{_digest(name)}/{name}"


@cache
def _content(name: str) -> bytes:
    return files("console").joinpath("static", name).read_bytes()


@cache
def _digest(name: str) -> str:
    return hashlib.sha256(_content(name)).hexdigest()[:_DIGITS]
