"""What workers post: leases, the steps of a run; and what they ask for: permits and media."""

import re
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import cast

from flask import Blueprint, Response

from api.auth import Auth, requires
from api.http import body, openapi, problems
from api.images import base_image, image_store, run_certificate
from api.images.readers import UnknownBmcAddress, addresses_of
from api.runs import admission, bmc_of_run, events, permits, states
from api.runs.records import Change, NewImage, NewSecrets, Noted, RunRecord
from api.services import change_run_or_refuse, changed_run_detail, services
from api.state import run_secrets
from api.state.snapshot import Also, Snapshot
from bringup import errors, identity, log, model
from bringup.wire.machine import RunParameters
from bringup.wire.run import (
    PERMIT_S,
    EventType,
    MediaRequest,
    RunDecision,
    RunEvent,
    RunEventReply,
    RunMedia,
    RunStep,
    TimelineEntry,
)

# A person must repair the command, the CA or DNS: to try more often would only fill the timeline.
_UNPREPARED_S = 30

bp = Blueprint("workers", __name__)
# Statuses for the OpenAPI document.
_UNKNOWN_OR_CONFLICT = (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)


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
    images = services().images
    read = images.records.read_of(run_id) if event.type is EventType.DEADLINE else None
    try:
        change = change_run_or_refuse(
            run_id,
            lambda context: events.worker_event(replace(context, image_read=read), event),
            Also(
                withheld=event.type in permits.PERMITS,
                boot_slot=event.type is EventType.BOOT_STARTED,
                refused_callbacks=event.type is EventType.DEADLINE,
                machine=identity.uuid_key(_machine_in(event)),
            ),
        )
    except errors.NotYet as early:
        return body.respond(RunEventReply(state=_known(run_id).state, next_s=early.retry_in_s), HTTPStatus.ACCEPTED)
    if states.waits_for_boot_slot(change.run):
        raise problems.no_boot_slot("the run waits for a boot slot; its boot job is enqueued when it has one")
    return body.respond(_event_reply(change, event), HTTPStatus.ACCEPTED)


def _machine_in(event: RunEvent) -> str | None:
    """The UUID of the machine that was read, if one was."""
    steps: tuple[RunStep | RunEvent, ...] = (*event.before, event)
    return next((one.identity.uuid for one in steps if one.identity), None)


def _event_reply(change: Change, event: RunEvent) -> RunEventReply:
    return RunEventReply(
        state=change.run.state,
        permit_s=PERMIT_S if change.permits_power else None,
        run=changed_run_detail(change) if event.wants_run else None,
    )


def _known(run_id: str) -> RunRecord:
    run = services().store.run(run_id)
    if run is None:
        raise problems.unknown_run()
    return run


@bp.post("/runs/<run_id>/media")
@requires(Auth.WORKER)
@openapi.documented((HTTPStatus.CREATED, RunMedia), body=MediaRequest, refusals=_UNKNOWN_OR_CONFLICT)
def mint_media(run_id: str) -> Response:
    """Where the machine's image is, with a fresh run token in it. Only while the power has not been asked for."""
    asked = body.read(MediaRequest)
    run = _known(run_id)
    # First, because it takes time and may fail: until then the token before this one works.
    plan = _plan(run) if run.fencing_token == asked.owner else None
    secret, token = image_store.new_secret(), run_secrets.new_token()
    parameters = _parameters(run_id, token, plan.certificate if plan else None)
    image = _image(plan, parameters, secret) if plan else None
    made = NewSecrets(run_secrets.token_digest(token), image)
    digest = image.locator if image else ""
    # In one transaction: the record has the hash of the secret, by which the medium is recognised, or there is none.
    change_run_or_refuse(
        run_id, lambda context: replace(events.media_minted(context, asked.owner, digest), secrets=made)
    )
    media = RunMedia(
        run_id=run_id,
        callback_url=parameters.callback_url,
        epoch=parameters.epoch,
        image_url=_image_url(plan, secret) if plan else None,
    )
    return body.respond(media, HTTPStatus.CREATED)


@dataclass(frozen=True)
class _Plan:
    """What the image of a run is made of, and who is given the parameters in it."""

    base: base_image.BaseImage | base_image.AreaAlone
    readers: tuple[str, ...]
    certificate: run_certificate.RunCertificate | None


def _plan(run: RunRecord) -> _Plan | None:
    """None: the machine boots no image of ours, and is given no parameters."""
    given = services()
    entry = given.store.inventory().by_name.get(run.device)
    # As pinned, for the parameters must go to no address that the inventory has not named.
    bmc = cast("str | None", bmc_of_run.pinned(run, entry, given.settings)["bmc"])
    simulated = (bmc or "").startswith("simulated:")
    if simulated and given.settings.environment == "production":
        return None
    base = None if run.boot_method == "pxe" and not simulated else given.images.base_for(simulated=simulated)
    if base is None:
        return None
    # A simulated machine has its certificate from `bringup simulate`.
    return _Plan(base, _readers(run, bmc), None if simulated else _certificate(run))


def _readers(run: RunRecord, bmc: str | None) -> tuple[str, ...]:
    try:
        return addresses_of(bmc)
    except UnknownBmcAddress as error:
        services().store.note(run.run_id, "bmc_not_resolved", str(error))
        raise problems.unavailable(f"the run has no image yet: {error}", retry_after_s=_UNPREPARED_S) from None


def _certificate(run: RunRecord) -> run_certificate.RunCertificate | None:
    """What the machine must present; None: it need not."""
    given = services()
    if not given.settings.machines_need_certificates:
        return None
    # Not blocking: a request that waits here would hold a work slot, and the worker tries again anyway.
    if not given.certificate_commands.acquire(blocking=False):
        raise problems.unavailable("the run has no image yet: RUN_CERTIFICATE_COMMAND runs for as many runs as it may")
    try:
        return run_certificate.make_run_certificate(given.settings.run_certificate_command, run.run_id)
    except run_certificate.NoRunCertificate as error:
        log.get("api").error("RUN_CERTIFICATE_COMMAND made no certificate", run=run.run_id, why=str(error))
        detail = "RUN_CERTIFICATE_COMMAND made no certificate; see the log of the API"
        given.store.note(run.run_id, "no_certificate", detail)
        raise problems.unavailable(f"the run has no image yet: {detail}", retry_after_s=_UNPREPARED_S) from None
    finally:
        given.certificate_commands.release()


def _parameters(run_id: str, token: str, certificate: run_certificate.RunCertificate | None) -> RunParameters:
    try:
        return image_store.run_parameters(run_id, token, services().settings, certificate)
    except (OSError, ValueError) as error:
        log.get("api").error("API_TLS_CA cannot be read: no machine can be given it", why=str(error))
        raise problems.misconfigured("the API cannot read what machines must trust; see its log") from None


def _image(plan: _Plan, parameters: RunParameters, secret: str) -> NewImage:
    try:
        return image_store.new_image(parameters, secret, plan.base, plan.readers)
    except image_store.ParametersTooLarge as error:
        log.get("api").error("API_TLS_CA is too large: a run's parameters do not fit into the image", why=str(error))
        raise problems.misconfigured("the run's parameters do not fit into the image; see the log of the API") from None


def _image_url(plan: _Plan, secret: str) -> str:
    """Where the BMC finds the run's image: a simulated one where its machine calls back."""
    settings = services().settings
    port = settings.api_url if isinstance(plan.base, base_image.AreaAlone) else settings.image_base
    return f"{port}/api/v1{image_store.path_of(secret)}"
