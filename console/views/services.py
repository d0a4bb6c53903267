"""The services: what needs a person now, queues, tailers, boots, certificates, self-tests, and jobs in quarantine."""

from collections.abc import Callable
from typing import TypeVar

from flask import Blueprint, Response, make_response, render_template, request
from pydantic import BaseModel

from bringup import __version__, errors, model
from bringup.wire.message import Readiness
from bringup.wire.operator import QueueList
from bringup.wire.services import SelfTestList, ServicesView
from console.overview import Overview
from console.services import Console, console
from console.views import live

bp = Blueprint("services", __name__)
_Reply = TypeVar("_Reply", bound=BaseModel)
_ALL = "all"  # the one key of what is kept


@bp.get("/services")
def show_services() -> str:
    """All of it, as it was a few seconds ago at most."""
    return _page("services.html")


@bp.get("/services/live")
def show_services_live() -> Response:
    """The same for a poll, without the jobs in quarantine, which a person may be selecting."""
    return live.dated(make_response(_page("services_live.html")))


@bp.get("/services/count")
def show_count() -> Response:
    """How much needs a person, for every page; 204: as much as ``?shown=``."""
    if request.args.get("shown") == str(needing()):
        return live.dated(Response(status=204))
    return live.dated(make_response(render_template("_services_count.html")))


def needing() -> int:
    """How much of the services needed a person a moment ago; 0 as long as nothing was read."""
    found = console().overviews.last(_ALL)
    return len(found.alarms(__version__)) if found else 0


def overview_of(given: Console) -> Overview:
    """What the services are like, as it was a few seconds ago at most."""
    return given.overviews.get(_ALL, lambda: _read(given))


def _page(template: str) -> str:
    found = overview_of(console())
    return render_template(template, overview=found, alarms=found.alarms(__version__))


def _read(given: Console) -> Overview:
    """Each part by itself: what can be read is shown, whatever else cannot."""
    problems: list[str] = []

    def part(read: Callable[[], _Reply]) -> _Reply | None:
        try:
            return read()
        except errors.BringupError as error:
            problems.append(str(error))
            return None

    ready: Readiness | None = part(given.api.readiness)
    services = part(lambda: given.api.get("/services", ServicesView))
    queues = part(lambda: given.api.get("/queues", QueueList))
    selftests = part(lambda: given.api.get("/selftest", SelfTestList))
    return Overview(
        at=services.at if services else model.utc_now(),
        ready=ready,
        queues=queues,
        services=services,
        selftests=selftests.selftests if selftests else None,
        problem=problems[0] if problems else "",
    )
