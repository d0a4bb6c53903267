"""What the polls of all pages have in common: what is news, and how old it is."""

from flask import Response, request

from bringup.serving.server import UNLOGGED
from console.services import console

_DIGITS = 12


def since() -> int:
    """The version of the fleet that the page shows."""
    return number("since")


def number(name: str) -> int:
    """A number in the address; 0: there is none of this name."""
    text = request.args.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _DIGITS else 0


def is_news(version: int) -> bool:
    """Whether a page that shows ``?since=`` must change: something is newer, or the banner comes or goes."""
    return version > since() or console().freshness.is_stale != (request.args.get("stale") == "1")


def version_of(name: str) -> int:
    """The version of the fleet in which a machine has changed last; of one that is gone: the present one."""
    machine = console().fleet.get(name)
    return machine.version if machine else console().fleet.version


def dated(response: Response) -> Response:
    """With the age of what the page shows, which console.js counts on from.

    Fifty people poll 25 times a second: their requests have no line in the access log.
    """
    request.environ[UNLOGGED] = True
    age_s = console().freshness.age_s
    response.headers["Console-Age"] = "" if age_s is None else f"{age_s:.1f}"
    return response
