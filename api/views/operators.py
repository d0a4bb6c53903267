"""What operators read of one run or device, and what they change."""

from dataclasses import replace
from http import HTTPStatus

from flask import Blueprint, Response

from api import audit
from api.auth import Auth, requires
from api.http import body, openapi, problems
from api.runs import admission, events, states
from api.runs.records import Change, KnownDevice, RunRecord
from api.services import change_run_or_refuse, services
from bringup.model import Decision, DeviceState, run_id_of
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
    run = services().store.run(run_id)
    if run is None:
        raise problems.unknown_run()
    device = services().store.device(run.device)
    current = states.with_required_jobs(run).model_copy(
        update=admission.pinned(run, device.entry if device else None, services().settings)
    )
    timeline = tuple(services().store.timeline(run_id))
    media = device.record.media_sha256 if device else ()
    artifacts = services().artifacts.of(run_id)
    return body.respond(RunDetail(**dict(current), timeline=timeline, artifacts=artifacts, media_sha256=media))


@bp.get("/runs/<run_id>/report")
@requires(Auth.STAFF)
@openapi.documented((HTTPStatus.OK, Report), refusals=_UNKNOWN)
def show_report(run_id: str) -> Response:
    """The report of a run, as the machine sent it."""
    stored = services().store.report(run_id)
    if stored is None:
        raise problems.unknown_run()
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
            changed = _changed(device, wanted)
            record.states(_shown(device), _shown(changed))
            who = record.principal
            event = wire.DeviceEvent(
                at=now, by=who.name, address=who.address, what=action, before=_shown(device), after=_shown(changed)
            )
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


def _shown(device: KnownDevice) -> str:
    """The state of a device as the records of changes show it."""
    return f"{device.state} (maintenance: {device.maintenance})" if device.maintenance else str(device.state)


def _changed(device: KnownDevice, wanted: wire.DeviceChange) -> KnownDevice:
    if wanted.maintenance is not None:
        device = device.with_record(maintenance=wanted.maintenance or None)
    if wanted.forget_identity:
        device = device.with_record(identity=None)
    if wanted.state is None:
        return device
    # Only approval exposes a machine; every other state protects it, and is always allowed.
    if wanted.state is DeviceState.APPROVED:
        _refuse_to_expose(device)
    return device.with_record(state=wanted.state, unapproved=wanted.state is DeviceState.DISCOVERED)


def _refuse_to_expose(device: KnownDevice) -> None:
    if device.record.active_run:
        raise problems.conflict(f"run {device.record.active_run} has not ended; abort it first")
    if device.entry is None:
        raise problems.conflict("the machine is not in the inventory; add it to DEVICES_FILE, which approves it")
    if device.entry.state is DeviceState.ACTIVE:
        raise problems.conflict("the machine is active in the inventory; change DEVICES_FILE first")


@bp.post("/devices/<name>/runs")
@requires(Auth.OPERATOR)
@openapi.documented((HTTPStatus.ACCEPTED, RunDecision), body=wire.StartRequest, refusals=_UNKNOWN_OR_CONFLICT)
def start_run(name: str) -> Response:
    """Start a run of an approved device without waiting for a lease."""
    why = body.read(wire.StartRequest).reason
    with audit.recorded("run.start", f"device/{name}", why) as record:
        run = _started(name, why)
        record.states(f"no run {run.run_id}", f"run {run.run_id} {run.state}")
    decision = RunDecision(run_id=run.run_id, decision=run.decision, state=run.state, reason=why)
    return body.respond(decision, HTTPStatus.ACCEPTED)


def _started(name: str, why: str) -> RunRecord:
    device = _known_device(name)
    if device.entry is None:
        raise problems.conflict("the machine is not in the inventory; add it to DEVICES_FILE, which approves it")
    run_id = run_id_of(device.entry.macs[0], services().store.now())
    outcome = services().store.open_run(run_id, name, lambda run, dev: _start(run_id, why, run, dev))
    return outcome.run if isinstance(outcome, Change) else outcome


def _start(run_id: str, why: str, known: RunRecord | None, device: KnownDevice) -> Change | RunRecord:
    if known is not None and known.closed_at is not None:
        raise problems.conflict("a run of this very second was closed already; try again")
    if known is not None:
        return known
    decision, reason = admission.decide(device)
    if decision is not Decision.START:
        raise problems.conflict(reason)
    return audit.signed(_sealed(admission.started_by_operator(run_id, device, why, services().store.now())))


def _sealed(change: Change) -> Change:
    return replace(change, run=admission.with_seal(change.run, services().settings))


def _known_device(name: str) -> KnownDevice:
    device = services().store.device(name)
    if device is None:
        raise problems.unknown_device(name)
    return device
