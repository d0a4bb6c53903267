"""One run: its timeline, its verdict, its report, and what its machine has left."""

import re

from flask import Blueprint, abort, render_template

from bringup.model import RUN_ID
from bringup.wire.run import RunDetail
from console.services import console

bp = Blueprint("runs", __name__)


@bp.get("/runs/<run_id>")
def show_run(run_id: str) -> str:
    """The run as the API knows it now."""
    run = console().api.get(f"/runs/{checked_run(run_id)}", RunDetail)
    return render_template("run.html", run=run)


def checked_run(run_id: str) -> str:
    """A run's id that may be part of a path of the API; anything else is not found."""
    if not re.fullmatch(RUN_ID, run_id):
        abort(404, "there is no such run")
    return run_id
