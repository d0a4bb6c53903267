"""What a lease means for the machine that holds it: start a run, record the lease only, or a run goes on. Pure."""

from collections.abc import Iterator

from api.runs.records import KnownDevice, RunRecord
from bringup import bmc_address, inventory
from bringup.model import Decision, DeviceState
from bringup.settings import Settings
from bringup.wire.operator import Explanation

# Why a machine in this state is not started, and how to change that.
_WHY_NOT = {
    DeviceState.DISCOVERED: "the machine is not in the inventory; add it to DEVICES_FILE to approve it",
    DeviceState.VALIDATING: "the machine is being validated",
    DeviceState.VALIDATED: "the machine has been validated; to repeat: bringup device set {name} --state approved",
    DeviceState.FAILED: "the last run did not pass; to start another: bringup device set {name} --state approved",
    DeviceState.ACTIVE: "the machine is in service",
    DeviceState.UNKNOWN: "a newer version of bringup has put the machine in a state that this API does not know",
}
_UNPROVEN = (
    "bmc_verify = false, so another machine could answer at the BMC's address: give the machine a serial or uuid in "
    "DEVICES_FILE (or its bmc_ca or bmc_fingerprint), which is compared before anything is written"
)


def decide(device: KnownDevice) -> tuple[Decision, str]:
    """The decision and its reason, for people. Only an approved machine is ever started."""
    return next(obstacles(device), (Decision.START, "the machine is approved"))


def obstacles(device: KnownDevice) -> Iterator[tuple[Decision, str]]:
    """Everything that keeps a lease from starting a run, the most important first."""
    if device.record.active_run:
        yield Decision.RUNNING, f"run {device.record.active_run} has not ended"
    if device.maintenance:
        yield Decision.AUDIT_ONLY, f"the machine is in maintenance: {device.maintenance}"
    if device.entry and device.entry.needs_identity:
        yield Decision.AUDIT_ONLY, _UNPROVEN
    if device.state is not DeviceState.APPROVED:
        yield Decision.AUDIT_ONLY, _WHY_NOT[device.state].format(name=device.record.name)


def explain(device: KnownDevice, settings: Settings) -> Explanation:
    """What a lease of ``device`` would lead to now. What only a worker can see, such as its files, is not checked."""
    undecided = [reason for _, reason in obstacles(device)]
    unprepared = list(_unprepared(device.entry, settings)) if device.entry else []
    return Explanation(
        device=device.record.name,
        would_start=not undecided,
        would_power=not undecided and not unprepared,
        obstacles=(*undecided, *unprepared),
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


def _power_refusals(device: KnownDevice, run: RunRecord) -> Iterator[str]:
    if device.maintenance:
        yield f"the machine is in maintenance: {device.maintenance}"
    if device.state is DeviceState.ACTIVE:
        yield "the machine is in service"
    if device.state is DeviceState.UNKNOWN:
        yield _WHY_NOT[DeviceState.UNKNOWN]
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


def _steps(entry: inventory.Device, settings: Settings) -> Iterator[str]:
    yield f"ask the BMC at {entry.bmc} which machine it is, and compare"
    if entry.boot_method == "cd":
        yield f"insert the image that is served for this run under {settings.image_base}"
    yield "switch the machine off if it is on"
    yield f"set the boot override to {entry.boot_method}, once"
    yield "switch the machine on"
    yield f"after the run eject the image{' and switch the machine off' if settings.power_off_after_run else ''}"
