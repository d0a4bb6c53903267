"""What operators read of one run or device, what they change, and who they are."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from http import HTTPStatus

from flask import Blueprint, Response

from api import audit
from api.auth import Auth, known_operators, requires
from api.http import body, openapi, problems
from api.principal import current_principal
from api.runs import admission, bmc_of_run, device_changes, events, states
from api.runs.records import Change, KnownDevice, RunRecord
from api.services import change_run_or_refuse, run_detail, services
from api.state.snapshot import Snapshot
from bringup.model import DeviceState, run_id_of
from bringup.operators import Operator
from bringup.wire import operator as wire
from bringup.wire.report import Report
from bringup.wire.run import Run, RunDecision, RunDetail

bp = Blueprint("operators", __name__)
# Statuses for the OpenAPI document.
_UNKNOWN = (HTTPStatus.NOT_FOUND,)
_UNKNOWN_OR_CONFLICT = (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)
_RUNS_OF_A_DEVICE = 50  # a person reads the newest; all of them are in the list of runs


@bp.get("/runs/<run_id>")
@requires(Auth.STAFF)
@openapi.documented((HTTPStatus.OK, RunDetail), refusals=_UNKNOWN)
def show_run(run_id: str) -> Response:
    """A run with its timeline and its artifacts."""
    found = run_detail(run_id)
    if found is None:
        raise problems.unknown_run(run_id)
    return body.respond(found)


@bp.get("/runs/<run_id>/report")
@requires(Auth.STAFF)
@openapi.documented((HTTPStatus.OK, Report), refusals=_UNKNOWN)
def show_report(run_id: str) -> Response:
    """The report of a run, as the machine sent it."""
    stored = services().store.report(run_id)
    if stored is None:
        has_run = services().store.run(run_id) is not None
        raise problems.unknown_report(run_id) if has_run else problems.unknown_run(run_id)
    return Response(stored, mimetype="application/json")


@bp.post("/runs/<run_id>/abort")
@requires(Auth.OPERATOR)
@openapi.documented((HTTPStatus.ACCEPTED, Run), body=wire.AbortRequest, refusals=_UNKNOWN_OR_CONFLICT)
def abort_run(run_id: str) -> Response:
    """End a run. The machine learns it at its next heartbeat; the clean-up begins at once."""
    why = body.read(wire.AbortRequest).reason
    with audit.recorded("run.abort", f"run/{run_id}", why) as record:

        def abort(context: states.RunContext) -> Change:
            change = audit.signed(events.abort(context, why), context.run.state)
            record.states(context.run.state, change.run.state)
            return change

        change = change_run_or_refuse(run_id, abort)
    return body.respond(change.run.view(), HTTPStatus.ACCEPTED)


@bp.get("/devices/<name>")
@requires(Auth.STAFF)
@openapi.documented((HTTPStatus.OK, wire.DeviceDetail), refusals=_UNKNOWN)
def show_device(name: str) -> Response:
    """One device with its history: changes by people, and its newest runs."""
    store, device = services().store, _known_device(name).view()
    runs = tuple(run.view() for run in store.runs_of(name, _RUNS_OF_A_DEVICE))
    return body.respond(wire.DeviceDetail(**dict(device), changes=tuple(store.device_changes(name)), runs=runs))


@bp.get("/devices/<name>/explain")
@requires(Auth.STAFF)
@openapi.documented((HTTPStatus.OK, wire.Explanation), refusals=_UNKNOWN)
def explain_device(name: str) -> Response:
    """Whether the device would be powered now, and why not. Nothing is switched or written."""
    return body.respond(admission.explain(_known_device(name), services().settings))


@bp.patch("/devices/<name>")
@requires(Auth.OPERATOR)
@openapi.documented((HTTPStatus.ACCEPTED, wire.DeviceView), body=wire.DeviceChange, refusals=_UNKNOWN_OR_CONFLICT)
def change_device(name: str) -> Response:
    """Approve a device, put it in service, or in maintenance.

    Withholding it is always possible, during a run too: what the run did at the BMC until then is undone.
    """
    wanted = body.read(wire.DeviceChange)
    action, now = f"device.{_what(wanted)}", services().store.now()
    with audit.recorded(action, f"device/{name}", wanted.maintenance or "") as record:

        def change(device: KnownDevice) -> tuple[KnownDevice, wire.DeviceEvent]:
            if why_not := device_changes.refusal(device, wanted):
                raise problems.conflict(why_not)
            changed = device_changes.changed(device, wanted)
            before, after = device_changes.shown(device), device_changes.shown(changed)
            record.states(before, after)
            who = record.principal
            event = wire.DeviceEvent(at=now, by=who.name, address=who.address, what=action, before=before, after=after)
            return changed, event

        changed = services().store.change_device(name, change)
        if changed is None:
            raise problems.unknown_device(name)
    return body.respond(changed.view(), HTTPStatus.ACCEPTED)


def _what(wanted: wire.DeviceChange) -> str:
    """The change by its name; of several at once, the one that exposes the machine most."""
    if wanted.state is not None:
        return {
            DeviceState.APPROVED: "approve",
            DeviceState.ACTIVE: "in-service",
            DeviceState.DISCOVERED: "withhold",
        }[wanted.state]
    if wanted.maintenance is not None:
        return "maintenance" if wanted.maintenance else "end-maintenance"
    return "forget-identity" if wanted.forget_identity else "no-change"


@bp.post("/devices/<name>/runs")
@requires(Auth.OPERATOR)
@openapi.documented((HTTPStatus.ACCEPTED, RunDecision), body=wire.StartRequest, refusals=_UNKNOWN_OR_CONFLICT)
def start_run(name: str) -> Response:
    """Start a run of an approved device without waiting for a lease."""
    why = body.read(wire.StartRequest).reason
    with audit.recorded("run.start", f"device/{name}", why) as record:
        run = _started(_known_device(name), why, admission.start_refusal, lambda device: device)
        record.states(f"no run {run.run_id}", f"run {run.run_id} {run.state}")
    return body.respond(_decision(run, why), HTTPStatus.ACCEPTED)


@bp.post("/runs/<run_id>/repeat")
@requires(Auth.OPERATOR)
@openapi.documented((HTTPStatus.ACCEPTED, RunDecision), body=wire.RepeatRequest, refusals=_UNKNOWN_OR_CONFLICT)
def repeat_run(run_id: str) -> Response:
    """Approve the device of a run that did not pass, and start another run of it, in one step."""
    why = body.read(wire.RepeatRequest).reason
    with audit.recorded("run.repeat", f"run/{run_id}", why) as record:
        known = services().store.run(run_id)
        if known is None:
            raise problems.unknown_run(run_id)
        device = _known_device(known.device)
        run = _started(device, f"{why}: {run_id}", partial(admission.repeat_refusal, known), admission.approved)
        record.states(f"run {run_id} {known.state}", f"run {run.run_id} {run.state}")
    return body.respond(_decision(run, why), HTTPStatus.ACCEPTED)


def _decision(run: RunRecord, why: str) -> RunDecision:
    return RunDecision(run_id=run.run_id, decision=run.decision, state=run.state, reason=why)


def _started(
    device: KnownDevice,
    why: str,
    refusal: Callable[[KnownDevice], str | None],
    prepared: Callable[[KnownDevice], KnownDevice],
) -> RunRecord:
    """The run that was started now, or was by the same call in the same second.

    Args:
        device: as it was before the transaction.
        why: on the timeline.
        refusal: why it must not be started.
        prepared: the device as the run begins with it.
    """
    if device.entry is None:
        raise problems.conflict(device_changes.NOT_IN_INVENTORY)
    run_id = run_id_of(device.entry.macs[0], services().store.now())

    def start(found: Snapshot) -> Change | RunRecord:
        if found.run is not None and found.run.closed_at is not None:
            raise problems.conflict("a run of this very second was closed already; try again")
        if found.run is not None:
            return found.run
        if why_not := refusal(found.device):
            raise problems.conflict(why_not)
        begun = admission.started_by_operator(run_id, prepared(found.device), why, found.now)
        return audit.signed(_sealed(begun))

    outcome = services().store.open_run(run_id, device.record.name, start)
    return outcome if isinstance(outcome, RunRecord) else outcome.run


def _sealed(change: Change) -> Change:
    return replace(change, run=bmc_of_run.with_seal(change.run, services().settings))


def _known_device(name: str) -> KnownDevice:
    device = services().store.device(name)
    if device is None:
        raise problems.unknown_device(name)
    return device


@bp.get("/operators")
@requires(Auth.STAFF)
@openapi.documented((HTTPStatus.OK, wire.OperatorList))
def list_operators() -> Response:
    """Every person and console of OPERATORS_FILE, without their tokens."""
    found = sorted(known_operators(services()).by_name.values(), key=lambda one: one.name)
    return body.respond(wire.OperatorList(operators=tuple(map(_view, found))))


@bp.get("/operators/me")
@requires(Auth.STAFF)
@openapi.documented((HTTPStatus.OK, wire.OperatorView), refusals=(HTTPStatus.NOT_FOUND,))
def show_caller() -> Response:
    """The person or console whose token this request bears."""
    found = known_operators(services()).by_name.get(current_principal().name)
    if found is None:
        raise problems.unknown_operator()
    return body.respond(_view(found))


def _view(operator: Operator) -> wire.OperatorView:
    return wire.OperatorView(name=operator.name, role=operator.role.value, added=operator.added)
