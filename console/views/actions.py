"""Doing something: a form leads to a preview, the preview is confirmed once, and its page then shows the result."""

import re
from threading import Thread
from urllib.parse import parse_qsl

from flask import Blueprint, Response, abort, make_response, redirect, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from bringup import actions, log, model
from bringup.wire.actions import MOST_TARGETS, ActionPreview, OperatorAction
from console.actions.offers import OF_JOBS, OF_RUNS, Targets, of_machines
from console.actions.plan import REASON_BELOW, Plan, apply
from console.guard import own_path, session
from console.services import console
from console.session import Session
from console.state.query import Query
from console.views import live
from console.views.runs import NAME

bp = Blueprint("actions", __name__)
# Seconds that a person waits for the result before the page shows how far it has come.
_RESULT_SOON_S = 2.0
_LONGEST_REASON = 1024  # as the API takes it: `bringup.model.DeviceText`


@bp.post("/actions")
def preview_action() -> AnyResponse:
    """Ask the API what the action would lead to. Nothing is changed; the preview has an address of its own."""
    person, action = _actor(), _action()
    targets = _targets(action)
    if not len(targets):
        abort(400, "Nothing is selected. Go back and select what the action is for.")
    found = ActionPreview(action=action, targets=())
    if targets.asked:
        found = actions.preview(console().api_for(person), action, targets.asked, REASON_BELOW)
    plan = console().plans.add(person.csrf, found, targets, own_path(request.form.get("back")))
    return redirect(f"/actions/{plan.key}", 303)


@bp.get("/actions/<key>")
def show_action(key: str) -> str:
    """The preview with its one question; after it was confirmed, the result."""
    return render_template("action.html", plan=_plan(key))


@bp.get("/actions/<key>/live")
def show_progress(key: str) -> Response:
    """How far it has come."""
    return live.dated(make_response(render_template("_action.html", plan=_plan(key))))


@bp.post("/actions/<key>")
def confirm_action(key: str) -> AnyResponse:
    """Do it, the first time; a form that is sent again only shows the result."""
    person, plan = _actor(), _plan(key)
    reason = request.form.get("reason", "").strip()[:_LONGEST_REASON]
    if plan.action is OperatorAction.MAINTENANCE and not reason:
        abort(400, "Give the reason of the maintenance: it is what others read who ask why the machine does not start.")
    if plan.begin(reason):
        log.get("console").info(
            "an action was confirmed", who=person.operator.name, action=plan.action.value, targets=plan.would
        )
        # Beside the request: a browser that goes away does not stop it half-way.
        Thread(target=apply, args=(console().api_for(person), plan), daemon=True).start()
    plan.finished.wait(_RESULT_SOON_S)
    return redirect(f"/actions/{plan.key}", 303)


def _actor() -> Session:
    """The person who acts. The API checks them again, by their own token."""
    person = session()
    if person.token is None:
        abort(
            403, "You have signed in by certificate alone, which lets you read. Sign in with your token, too, to act."
        )
    if not person.may_act:
        abort(403, f"{person.operator.name} is a {person.operator.role}, who may read and change nothing.")
    return person


def _plan(key: str) -> Plan:
    plan = console().plans.get(key, session().csrf)
    if plan is None:
        abort(404, "This preview is not there any more, or is of another session. Choose the action again.")
    return plan


def _action() -> OperatorAction:
    try:
        return OperatorAction(request.form.get("action", ""))
    except ValueError:
        abort(400, "There is no such action.")


def _targets(action: OperatorAction) -> Targets:
    """What the form names: jobs, runs, machines, or all machines that fit a filter."""
    form = request.form
    if action in OF_JOBS:
        return Targets(_bounded(form.getlist("job")))
    runs = _bounded(form.getlist("run"))
    if runs and action in OF_RUNS:
        machines = {one.run.run_id: one.name for one in console().fleet.all() if one.run}
        return Targets(_checked(runs, model.RUN_ID), machines)
    names = _fitting(form["all"]) if "all" in form else form.getlist("machine")
    return of_machines(action, _checked(_bounded(names), NAME), console().fleet)


def _fitting(query: str) -> list[str]:
    """The machines that fit the address of a list, on all of its pages."""
    wanted = Query.of(dict(parse_qsl(query)))
    return [machine.name for machine in wanted.among(console().fleet.all())]


def _bounded(targets: list[str]) -> tuple[str, ...]:
    targets = list(dict.fromkeys(targets))
    if len(targets) > MOST_TARGETS:
        abort(
            400, f"These are {len(targets):,}, and one action takes {MOST_TARGETS:,} at most: narrow the filter first."
        )
    return tuple(targets)


def _checked(targets: tuple[str, ...], pattern: str) -> tuple[str, ...]:
    """Targets that may be part of a path of the API; anything else is none that a page of ours has named."""
    if not all(re.fullmatch(pattern, target) for target in targets):
        abort(400, "The form names something that no page shows.")
    return targets
