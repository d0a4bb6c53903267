"""What a lease leads to: a run starts, or is only recorded; and why not. Pure."""

from collections.abc import Iterator
from datetime import datetime

from api.runs.bmc_of_run import on_record
from api.runs.device_changes import NOT_IN_INVENTORY, approval_refusal
from api.runs.records import Change, Job, KnownDevice, RunRecord
from bringup import bmc_address, inventory, model
from bringup.settings import Settings
from bringup.wire.operator import Explanation
from bringup.wire.run import TimelineEntry

# Why a machine in this state is not started, and how to change that.
_WHY_NOT = {
    model.DeviceState.DISCOVERED: "the machine is not in the inventory; add it to DEVICES_FILE to approve it",
    model.DeviceState.VALIDATING: "the machine is being validated",
    model.DeviceState.VALIDATED: "the machine is validated; to repeat: bringup device set {name} --state approved",
    model.DeviceState.FAILED: "the last run did not pass; to start another: bringup device set {name} --state approved",
    model.DeviceState.ACTIVE: "the machine is in service",
    model.DeviceState.UNKNOWN: "a newer version of bringup has put the machine in a state that this API does not know",
}
# Without a verified certificate only the machine itself can prove that the BMC is the right one.
_UNPROVEN = (
    "bmc_verify = false, so another machine could answer at the BMC's address: give the machine a serial or uuid in "
    "DEVICES_FILE (or its bmc_ca or bmc_fingerprint), which is compared before anything is written"
)
_REPEATED = frozenset(
    {model.RunState.FAILED, model.RunState.TIMED_OUT, model.RunState.ABORTED, model.RunState.DEGRADED}
)
_REPEATABLE = frozenset({model.DeviceState.FAILED, model.DeviceState.APPROVED})


def decide(device: KnownDevice) -> tuple[model.Decision, str]:
    """The decision and its reason, for people. Only an approved machine is ever started."""
    return next(obstacles(device), (model.Decision.START, "the machine is approved"))


def obstacles(device: KnownDevice) -> Iterator[tuple[model.Decision, str]]:
    """Everything that keeps a lease from starting a run, the most important first."""
    if device.record.active_run:
        yield model.Decision.RUNNING, f"run {device.record.active_run} has not ended"
    if device.maintenance:
        yield model.Decision.AUDIT_ONLY, _maintenance_of(device)
    if device.entry and device.entry.needs_identity:
        yield model.Decision.AUDIT_ONLY, _UNPROVEN
    if device.state is not model.DeviceState.APPROVED:
        yield model.Decision.AUDIT_ONLY, _WHY_NOT[device.state].format(name=device.record.name)


def _maintenance_of(device: KnownDevice) -> str:
    """Why it must not be touched: no person has put a machine in maintenance that is only withheld."""
    state = "withheld" if device.is_withheld_alone else "in maintenance"
    return f"the machine is {state}: {device.maintenance}"


def start_refusal(device: KnownDevice) -> str | None:
    """Why a person cannot start a run of ``device`` now; None: they can."""
    if device.entry is None:
        return NOT_IN_INVENTORY
    return next((reason for _, reason in obstacles(device)), None)


def repeat_refusal(run: RunRecord, device: KnownDevice) -> str | None:
    """Why a person cannot repeat ``run`` with its ``device`` now; None: they can."""
    if not run.state.ended:
        return f"the run has not ended: it is {run.state}"
    if run.state not in _REPEATED:
        return f"the run is {run.state}; only one that did not pass is repeated"
    if device.state not in _REPEATABLE:
        # The machine was validated, put in service or withheld since: to expose it again takes a command of its own.
        return f"the machine is {device.state} by now"
    return approval_refusal(device) or start_refusal(approved(device))


def approved(device: KnownDevice) -> KnownDevice:
    """The device as it is after its approval."""
    return device.with_record(state=model.DeviceState.APPROVED, unapproved=False)


def explain(device: KnownDevice, settings: Settings) -> Explanation:
    """What a lease of ``device`` would lead to now. What only a worker can see, such as its files, is not checked."""
    undecided = [reason for _, reason in obstacles(device)]
    unprepared = list(_unprepared(device.entry, settings)) if device.entry else []
    unheard = list(_unheard(device.entry, settings)) if device.entry else []
    return Explanation(
        device=device.record.name,
        would_start=not undecided,
        would_power=not undecided and not unprepared,
        obstacles=(*undecided, *unprepared, *unheard),
        steps=tuple(_steps(device.entry, settings)) if device.entry else (),
    )


def cleanup_refusal(device: KnownDevice, run: RunRecord) -> str | None:
    """Why what ``run`` did at the BMC of ``device`` must not be undone now; None: it may.

    That the machine is in service or in maintenance is no reason: our medium or an armed boot override endangers it.
    """
    return None if device.record.active_run == run.run_id else "another run owns the machine"


def power_refusal(device: KnownDevice, run: RunRecord) -> str | None:
    """Why nothing must be written to the BMC of ``device`` for ``run`` now; None: it may."""
    return next(_power_refusals(device, run), None)


def opened_by(event: model.LeaseEvent, device: KnownDevice, now: datetime) -> Change | None:
    """The change that a new lease makes; None: the machine has a run, to which the lease then belongs.

    Args:
        now: by Redis's clock.
    """
    seen = device.with_record(ip=str(event.ip), seen_mac=event.mac, last_seen_at=now)
    decision, reason = decide(seen)
    if decision is model.Decision.RUNNING:
        return None
    run = _new_run(event.run_id, seen, decision, reason, now)
    run = run.model_copy(update={"mac": event.mac, "hostname": event.hostname})
    return _recorded(run, seen, f"lease of {event.ip}: {reason}", now)


def started_by_operator(run_id: str, device: KnownDevice, why: str, now: datetime) -> Change:
    """A run without a lease.

    Args:
        why: the operator's reason.
        now: by Redis's clock.
    """
    run = _new_run(run_id, device, model.Decision.START, why, now)
    return _recorded(run, device, why, now)


def _power_refusals(device: KnownDevice, run: RunRecord) -> Iterator[str]:
    if device.maintenance:
        yield _maintenance_of(device)
    if device.state is model.DeviceState.ACTIVE:
        yield "the machine is in service"
    if device.state is model.DeviceState.UNKNOWN:
        yield _WHY_NOT[model.DeviceState.UNKNOWN]
    if device.entry is None:
        yield "the machine is no longer in the inventory"
    elif run.bmc is not None and not bmc_address.same_bmc(run.bmc, device.entry.bmc):
        yield f"the run began with the BMC {run.bmc}, and the inventory has {device.entry.bmc} now"
    if device.record.unapproved:
        yield "the machine's approval was taken back"
    if device.record.active_run != run.run_id:
        yield "another run owns the machine"


def _unprepared(entry: inventory.Device, settings: Settings) -> Iterator[str]:
    """Why a run that starts would fail before it switches the power."""
    if entry.bmc.startswith("simulated:"):
        if settings.environment == "production":
            yield "bmc_unreachable: its BMC is simulated, and ENVIRONMENT=production"
        return
    if entry.credential is None:
        yield "bmc_auth: the inventory names no credential for its BMC"
    if not settings.validation_image and entry.boot_method != "pxe":
        yield "media_rejected: there is no image to boot: set VALIDATION_IMAGE at the API"


def _unheard(entry: inventory.Device, settings: Settings) -> Iterator[str]:
    """Why a machine that is switched on could not report."""
    if entry.boot_method == "uefi-http" and not settings.image_readers:
        yield (
            "no_boot: with uefi-http the machine's firmware reads the image from an address of its own, and only the "
            "BMC's is given the run's parameters: name the machine's network in IMAGE_READERS"
        )


def _steps(entry: inventory.Device, settings: Settings) -> Iterator[str]:
    yield f"ask the BMC at {entry.bmc} which machine it is, and compare"
    if entry.boot_method == "cd":
        yield f"insert the image that is served for this run under {settings.image_base}"
    yield "switch the machine off if it is on"
    yield f"set the boot override to {entry.boot_method}, once"
    yield "switch the machine on"
    yield f"after the run eject the image{' and switch the machine off' if settings.power_off_after_run else ''}"


def _new_run(run_id: str, device: KnownDevice, decision: model.Decision, reason: str, now: datetime) -> RunRecord:
    """A run at its beginning; for an audit that is its end too."""
    starts = decision is model.Decision.START
    entry = device.entry
    return RunRecord(
        run_id=run_id,
        device=device.record.name,
        mac=entry.macs[0] if entry else str(device.record.seen_mac),
        ip=device.record.ip or "",
        decision=decision,
        state=model.RunState.QUEUED if starts else model.RunState.AUDITED,
        detail="" if starts else reason,
        created_at=now,
        updated_at=now,
        ended_at=None if starts else now,
        closed_at=None if starts else now,
        token_sha256="",
        image_sha256="",
    ).model_copy(update=on_record(entry))


def _recorded(run: RunRecord, device: KnownDevice, detail: str, now: datetime) -> Change:
    starts = run.decision is model.Decision.START
    changes: dict[str, object] = {"last_run": run.run_id}
    if starts:
        changes |= {"state": model.DeviceState.VALIDATING, "active_run": run.run_id}
    entry = TimelineEntry(at=now, type="lease", state=run.state, applied=True, detail=detail)
    return Change(run, device.with_record(**changes), entry, (Job(model.JobKind.BOOT),) if starts else ())
