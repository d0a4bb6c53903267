"""The list of machines, and what changes in it while a person looks."""

from dataclasses import replace

from flask import Blueprint, Response, make_response, redirect, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from console import heat
from console.services import console
from console.state.query import Page, Query, group_of
from console.views import live

bp = Blueprint("machines", __name__)
# Rows of one poll. More have changed on one page only after a long pause, as of a laptop that slept.
_MOST_ROWS = 100


@bp.get("/")
def show_start() -> AnyResponse:
    """The machines are what one comes for."""
    return redirect("/machines", 303)


@bp.get("/machines")
def show_machines() -> str:
    """One page of the machines that the address asks for."""
    query = Query.of(request.args)
    page = console().lists.page(query)
    shown = console().shown.remember(_groups(page))
    if page.total:  # what the polls of this page compare with
        console().totals.put(replace(query, page=1), (page.version, page.total))
    return render_template(
        "machines.html",
        query=query,
        page=page,
        shown=shown,
        moved=0,
        more=0,
        total=page.total,
        facets=console().facets(),
    )


@bp.get("/machines/heat")
def show_heat() -> Response:
    """The whole fleet, as small squares; 204: as they were at ``?since=``."""
    version, page = console().squares.get("all", _heat)
    if version == live.since():
        return live.dated(Response(status=204))
    return live.dated(make_response(page))


@bp.get("/machines/live")
def show_changes() -> Response:
    """What has changed of a page since ``?since=``; 204: nothing has. Rows stay where they are."""
    query, fleet = Query.of(request.args), console().fleet
    groups = console().shown.get(request.args.get("shown", ""))
    if groups is None:  # after a restart, or a long pause
        return Response(status=204, headers={"HX-Refresh": "true"})
    version = fleet.version
    total = console().total(replace(query, page=1))
    if not live.is_news(version) and total == live.number("known"):
        return live.dated(Response(status=204))
    rows = [machine for machine in fleet.changed_since(live.since()) if machine.name in groups][:_MOST_ROWS]
    known = ((machine, group) for name, group in groups.items() if (machine := fleet.get(name)))
    moved = sum(group_of(machine, query) != group for machine, group in known)
    more = total - live.number("total")
    if more and not groups:  # nothing was there to be moved under a pointer
        return Response(status=204, headers={"HX-Refresh": "true"})
    page = Page((), 0, query.page, 0, version)
    return live.dated(
        make_response(
            render_template(
                "machines_live.html",
                query=query,
                page=page,
                shown=request.args["shown"],
                rows=rows,
                moved=moved,
                more=more,
                total=live.number("total"),
            )
        )
    )


def _heat() -> tuple[int, str]:
    """The squares as they are now, and the version of the fleet of which they are: the same for all who look."""
    fleet = console().fleet
    version, blocks = fleet.version, heat.blocks_of(fleet.all())
    shown = {"blocks": blocks, "version_shown": version, "width": heat.WIDTH, "shapes": heat.legend()}
    return version, render_template("heat.html", **shown)


def _groups(page: Page) -> dict[str, str]:
    return {machine.name: part.key for part in page.parts for machine in part.machines}
