"""One run: its timeline, verdict, report and files, and how two reports differ; and one device with its history."""

import json
import re

from flask import Blueprint, Response, abort, make_response, render_template

from bringup.errors import ApiRejected
from bringup.model import RUN_ID, RunState
from bringup.wire.operator import DeviceDetail, Explanation
from bringup.wire.report import Report
from bringup.wire.run import RunDetail
from console import run_page
from console.actions import offers
from console.run_page import MOST_DIFFERENCES, differences
from console.services import console
from console.views import live

bp = Blueprint("runs", __name__)
_ARTIFACT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@bp.get("/runs/<run_id>")
def show_run(run_id: str) -> str:
    """The run as the API knows it now."""
    return _page("run.html", checked_run(run_id))


@bp.get("/runs/<run_id>/live")
def show_run_changes(run_id: str) -> Response:
    """The run anew, when its machine has changed since ``?since=``; 204: it has not."""
    run = _run(checked_run(run_id))
    if not live.is_news(live.version_of(run.device)):
        return live.dated(Response(status=204))
    return live.dated(make_response(_page("run_live.html", run_id)))


@bp.get("/runs/<run_id>/report")
def show_report(run_id: str) -> str:
    """What the machine has reported, as text."""
    report = _report(checked_run(run_id))
    if report is None:
        abort(404, "this run has no report")
    text = json.dumps(report.model_dump(mode="json"), indent=2, ensure_ascii=False)
    return render_template("text.html", run=_run(run_id), title="Report", text=text)


@bp.get("/runs/<run_id>/artifacts/<name>")
def show_artifact(run_id: str, name: str) -> str:
    """A log of the machine, as text: whatever it holds, no browser takes it for anything else."""
    if not _ARTIFACT.fullmatch(name):
        abort(404, "there is no such artifact")
    content = console().api.get_text(f"/runs/{checked_run(run_id)}/artifacts/{name}")
    text = content.decode(errors="backslashreplace")
    return render_template("text.html", run=_run(run_id), title=name, text=text)


@bp.get("/runs/<run_id>/compare/<earlier>")
def compare_reports(run_id: str, earlier: str) -> str:
    """What has changed in the machine from an earlier run to this one."""
    before, after = _report(checked_run(earlier)), _report(checked_run(run_id))
    found = differences(before, after) if before and after else []
    return render_template(
        "compare.html",
        run=_run(run_id),
        earlier=_run(earlier),
        has_both=bool(before and after),
        differences=found[:MOST_DIFFERENCES],
        more=max(0, len(found) - MOST_DIFFERENCES),
    )


def checked_run(run_id: str) -> str:
    """A run's id that may be part of a path of the API; anything else is not found."""
    if not re.fullmatch(RUN_ID, run_id):
        abort(404, "there is no such run")
    return run_id


def _page(template: str, run_id: str) -> str:
    seen, run = console().read_at(f"/runs/{run_id}", RunDetail)
    known, device = console().read_at(f"/devices/{run.device}", DeviceDetail)
    earlier = [other for other in device.runs if other.created_at < run.created_at]
    with_report = next((other for other in earlier if other.report_sha256), None)
    return render_template(
        template,
        run=run,
        steps=run_page.steps_of(run),
        checks=run_page.checks_of(run.verdict),
        tones=run_page.CHECK_TONES,
        report=_report(run_id) if run.report_sha256 else None,
        earlier=earlier,
        comparable=with_report if run.report_sha256 else None,
        version_shown=min(seen, known),
        is_open=not RunState(run.state).ended,
        offered=offers.for_run(run.state),
        field="run",
        target=run_id,
        back=f"/runs/{run_id}",
    )


def _run(run_id: str) -> RunDetail:
    return console().read(f"/runs/{run_id}", RunDetail)


def _report(run_id: str) -> Report | None:
    try:
        return console().read(f"/runs/{run_id}/report", Report)
    except ApiRejected:
        return None


# Names of the inventory, and of machines that are not in it (their MAC). No segment of a path but itself.
NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"


@bp.get("/devices/<name>")
def show_device(name: str) -> str:
    """The device as the API knows it now."""
    return _device_page("device.html", checked_name(name))


@bp.get("/devices/<name>/live")
def show_device_changes(name: str) -> Response:
    """The device anew, when it has changed since ``?since=``; 204: it has not."""
    if not live.is_news(live.version_of(checked_name(name))):
        return live.dated(Response(status=204))
    return live.dated(make_response(_device_page("device_live.html", name)))


def checked_name(name: str) -> str:
    """A device's name that may be part of a path of the API; anything else is not found."""
    if not re.fullmatch(NAME, name):
        abort(404, "there is no such device")
    return name


def _device_page(template: str, name: str) -> str:
    seen, device = console().read_at(f"/devices/{name}", DeviceDetail)
    explained, explanation = console().read_at(f"/devices/{name}/explain", Explanation)
    return render_template(
        template,
        device=device,
        explanation=explanation,
        machine=console().fleet.get(name),
        version_shown=min(seen, explained),
        offered=offers.for_device(device, device.runs[0].state if device.runs else None),
        field="machine",
        target=name,
        back=f"/devices/{name}",
    )
