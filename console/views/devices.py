"""One device: its history, its addresses, who changed it, and whether it would be powered now."""

import re

from flask import Blueprint, abort, render_template

from bringup.wire.operator import DeviceDetail, Explanation
from console.services import console

bp = Blueprint("devices", __name__)
# Names of the inventory, and of machines that are not in it (their MAC). No segment of a path but itself.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@bp.get("/devices/<name>")
def show_device(name: str) -> str:
    """The device as the API knows it now."""
    path = f"/devices/{checked_name(name)}"
    device = console().api.get(path, DeviceDetail)
    explanation = console().api.get(f"{path}/explain", Explanation)
    return render_template("device.html", device=device, explanation=explanation)


def checked_name(name: str) -> str:
    """A device's name that may be part of a path of the API; anything else is not found."""
    if not _NAME.fullmatch(name):
        abort(404, "there is no such device")
    return name
