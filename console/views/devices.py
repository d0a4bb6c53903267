"""One device: its history, its addresses, who changed it, and whether it would be powered now."""

import re

from flask import Blueprint, Response, abort, make_response, render_template

from bringup.wire.operator import DeviceDetail, Explanation
from console.actions import offers
from console.services import console
from console.views import live

bp = Blueprint("devices", __name__)
# Names of the inventory, and of machines that are not in it (their MAC). No segment of a path but itself.
NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"


@bp.get("/devices/<name>")
def show_device(name: str) -> str:
    """The device as the API knows it now."""
    return _page("device.html", checked_name(name))


@bp.get("/devices/<name>/live")
def show_device_changes(name: str) -> Response:
    """The device anew, when it has changed since ``?since=``; 204: it has not."""
    if not live.is_news(live.version_of(checked_name(name))):
        return live.dated(Response(status=204))
    return live.dated(make_response(_page("device_live.html", name)))


def checked_name(name: str) -> str:
    """A device's name that may be part of a path of the API; anything else is not found."""
    if not re.fullmatch(NAME, name):
        abort(404, "there is no such device")
    return name


def _page(template: str, name: str) -> str:
    version = console().fleet.version
    device = console().read(f"/devices/{name}", DeviceDetail)
    explanation = console().read(f"/devices/{name}/explain", Explanation)
    return render_template(
        template,
        device=device,
        explanation=explanation,
        machine=console().fleet.get(name),
        version_shown=version,
        offered=offers.for_device(device, device.runs[0].state if device.runs else None),
        field="machine",
        target=name,
        back=f"/devices/{name}",
    )
