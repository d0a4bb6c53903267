"""What workers post: leases, the steps of a run, how long BMCs took; and what they ask for: permits and media."""

import re
from dataclasses import replace
from http import HTTPStatus

from flask import Blueprint, Response

from api.auth import Auth, requires
from api.http import body, openapi, problems
from api.runs import admission, bmc_of_run, events, permits, states
from api.runs.records import Change, Noted, RunRecord
from api.services import change_run_or_refuse, changed_run_detail, services
from api.state import durations
from api.state.snapshot import Also, Snapshot
from api.views import media
from bringup import errors, identity, model
from bringup.wire.bmc import BmcRequests, BmcRequestsReply
from bringup.wire.run import RunDecision, TimelineEntry
from bringup.wire.run_events import PERMIT_S, EventType, MediaRequest, RunEvent, RunEventReply, RunMedia, RunStep

bp = Blueprint("workers", __name__)
# Statuses for the OpenAPI document.
_UNKNOWN_OR_CONFLICT = (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)
# These end a run, or are refused, where the machine is not the one of the inventory: not by the entries of before.
_JUDGED_BY_ITS_ENTRY = {EventType.BOOT_STARTED, EventType.MACHINE_IDENTIFIED}
# Steps that were taken: they are put on record, whatever the device is by now.
_ONLY_TAKEN = {
    *(EventType.MEDIA_INSERTED, EventType.POWERED_OFF, EventType.BOOT_OVERRIDE_SET),
    *(EventType.POWERED_ON, EventType.PERMIT_RETURNED),
}
# With no other permit a medium may be inserted.
_PERMIT_THE_MEDIUM = {EventType.WRITE_REQUESTED, EventType.OVERRIDE_REQUESTED}


@bp.put("/runs/<run_id>")
@requires(Auth.WORKER)
@openapi.documented((HTTPStatus.CREATED, RunDecision), (HTTPStatus.OK, RunDecision), body=model.LeaseEvent)
def put_run(run_id: str) -> Response:
    """A lease was seen. The response is the decision; the same lease again changes nothing."""
    event = body.read(model.LeaseEvent)
    if not re.fullmatch(model.RUN_ID, run_id) or run_id != event.run_id:
        raise problems.invalid(f"the run id of this lease is {event.run_id}")
    if event.action is not model.LeaseAction.ASSIGNED:
        raise problems.invalid(f"only an assigned lease opens a run, not one that was {event.action}")
    # Before the machine is looked up: by the entries of before, a new one would be a machine that nobody has approved.
    services().store.require_read_inventory()
    outcome = services().store.open_run(run_id, _device_name(event.mac), lambda found: _open(event, found))
    if isinstance(outcome, Change):
        return body.respond(_decision(outcome.run), HTTPStatus.CREATED)
    if isinstance(outcome, Noted):
        return body.respond(_running(outcome.run))
    return body.respond(_decision(outcome))


def _open(event: model.LeaseEvent, found: Snapshot) -> Change | Noted | RunRecord:
    if found.run is not None:
        return found.run
    change, device = admission.opened_by(event, found.device, found.now), found.device
    if change is not None:
        return replace(change, run=bmc_of_run.with_seal(change.run, services().settings))
    active = services().store.run(device.record.active_run or "")
    if active is None:
        raise problems.stale(f"device {device.record.name} names an unknown run: {device.record.active_run}")
    detail = f"{event.mac} holds a lease of {event.ip}"
    return Noted(
        active, TimelineEntry(at=found.now, type="lease_seen", state=active.state, applied=True, detail=detail)
    )


def _device_name(mac: str) -> str:
    """The name in the inventory; a machine that is not in it is named by its MAC."""
    device = services().store.inventory().device_of(mac)
    return device.name if device else mac.replace(":", "-")


def _decision(run: RunRecord) -> RunDecision:
    reason = run.detail or "the machine is approved"
    return RunDecision(run_id=run.run_id, decision=run.decision, state=run.state, reason=reason)


def _running(run: RunRecord) -> RunDecision:
    reason = "the machine has a run that is not closed"
    return RunDecision(run_id=run.run_id, decision=model.Decision.RUNNING, state=run.state, reason=reason)


@bp.post("/runs/<run_id>/events")
@requires(Auth.WORKER)
@openapi.documented(
    (HTTPStatus.ACCEPTED, RunEventReply),
    body=RunEvent,
    refusals=(*_UNKNOWN_OR_CONFLICT, HTTPStatus.TOO_MANY_REQUESTS),
)
def post_event(run_id: str) -> Response:
    """A step of a run was taken, or a permit to take it is asked for. 409: it does not apply (any more)."""
    event = body.read(RunEvent)
    if event.wants_media and event.type not in _PERMIT_THE_MEDIUM:
        raise problems.invalid("wants_media: only with write_requested or override_requested, which permit it")
    if not _JUDGED_BY_ITS_ENTRY.isdisjoint(_types_of(event)):
        services().store.require_read_inventory()
    read = services().images.records.read_of(run_id) if event.type is EventType.DEADLINE else None
    # First, because it takes time and may fail: until then the token before this one works.
    made = media.prepare(_known(run_id), event.owner) if event.wants_media else None
    secrets = made.secrets if made else None
    try:
        change = change_run_or_refuse(
            run_id,
            lambda context: events.worker_event(replace(context, image_read=read), event, secrets),
            Also(
                withheld=event.type in permits.PERMITS,
                boot_slot=event.type is EventType.BOOT_STARTED,
                refused_callbacks=event.type is EventType.DEADLINE,
                machine=identity.uuid_key(_machine_in(event)),
                closing=event.type is EventType.FINISHED,
                given_out=made is not None,
                # The reply with the run has what its device knows, too.
                device=event.wants_run or not _ONLY_TAKEN.issuperset(_types_of(event)),
            ),
        )
    except errors.NotYet as early:
        return body.respond(RunEventReply(state=_known(run_id).state, next_s=early.retry_in_s), HTTPStatus.ACCEPTED)
    if states.waits_for_boot_slot(change.run):
        raise problems.no_boot_slot("the run waits for a boot slot; its boot job is enqueued when it has one")
    return body.respond(_event_reply(change, event, made.message if made else None), HTTPStatus.ACCEPTED)


def _types_of(event: RunEvent) -> list[EventType]:
    """Of the steps that were posted, and of the event itself."""
    return [*(step.type for step in event.before), event.type]


def _machine_in(event: RunEvent) -> str | None:
    """The UUID of the machine that was read, if one was."""
    steps: tuple[RunStep | RunEvent, ...] = (*event.before, event)
    return next((one.identity.uuid for one in steps if one.identity), None)


def _event_reply(change: Change, event: RunEvent, made: RunMedia | None) -> RunEventReply:
    return RunEventReply(
        state=change.run.state,
        reason=change.run.reason,
        permit_s=PERMIT_S if change.permits_power else None,
        covers=permits.COVERS.get(event.type, ()) if change.permits_power else (),
        run=changed_run_detail(change) if event.wants_run else None,
        media=made if change.secrets else None,
    )


def _known(run_id: str) -> RunRecord:
    run = services().store.run(run_id)
    if run is None:
        raise problems.unknown_run(run_id)
    return run


@bp.post("/runs/<run_id>/media")
@requires(Auth.WORKER)
@openapi.documented((HTTPStatus.CREATED, RunMedia), body=MediaRequest, refusals=_UNKNOWN_OR_CONFLICT)
def mint_media(run_id: str) -> Response:
    """Where the machine's image is, with a fresh run token in it. Only while the power has not been asked for."""
    asked = body.read(MediaRequest)
    made = media.prepare(_known(run_id), asked.owner)
    # In one transaction: the record has the hash of the secret, by which the medium is recognised, or there is none.
    also = Also(given_out=True)
    change_run_or_refuse(run_id, lambda context: events.media_minted(context, asked.owner, made.secrets), also)
    return body.respond(made.message, HTTPStatus.CREATED)


@bp.post("/bmc-requests")
@requires(Auth.WORKER)
@openapi.documented((HTTPStatus.ACCEPTED, BmcRequestsReply), body=BmcRequests)
def post_bmc_requests() -> Response:
    """How long BMCs took to answer a worker since its last report: `bringup_bmc_request_seconds` of the metrics."""
    counted = durations.add_bmc_requests(services().database, body.read(BmcRequests))
    return body.respond(BmcRequestsReply(counted=counted), HTTPStatus.ACCEPTED)
