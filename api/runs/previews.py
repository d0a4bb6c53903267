"""What an action of a person would lead to, by the same rules that decide when it is done. Pure."""

from datetime import datetime

from api.runs import admission, device_changes, states
from api.runs.records import KnownDevice, RunRecord
from bringup import errors, model
from bringup.settings import Settings
from bringup.wire.actions import TargetPreview
from bringup.wire.operator import DeviceChange

# One machine in service among a hundred that have failed would be powered: only a command for that one machine may.
_IN_SERVICE = "the machine is in service; to approve it all the same: bringup device set {name} --state approved"


def of_start(device: KnownDevice, settings: Settings) -> TargetPreview:
    """What a start of a run of ``device`` would lead to."""
    name, state = device.record.name, device_changes.shown(device)
    if why_not := admission.start_refusal(device):
        return TargetPreview(target=name, would=False, reason=why_not, state=state)
    warnings = admission.explain(device, settings).obstacles
    return TargetPreview(target=name, would=True, warnings=warnings, state=state, becomes=model.DeviceState.VALIDATING)


def of_device(device: KnownDevice, wanted: DeviceChange) -> TargetPreview:
    """What the change would lead to for ``device``."""
    name, state = device.record.name, device_changes.shown(device)
    after = device_changes.changed(device, wanted)
    if why_not := device_changes.refusal(device, wanted) or _needless(device, wanted, after):
        return TargetPreview(target=name, would=False, reason=why_not, state=state)
    warnings = _warnings(wanted, after)
    return TargetPreview(target=name, would=True, warnings=warnings, state=state, becomes=device_changes.shown(after))


def of_abort(run: RunRecord, now: datetime) -> TargetPreview:
    """What an abort of ``run`` would lead to. ``now`` by Redis's clock."""
    try:
        becomes = states.move(run, "abort", now).state
    except errors.InvalidTransition as error:
        return TargetPreview(target=run.run_id, would=False, reason=str(error), state=run.state)
    return TargetPreview(target=run.run_id, would=True, state=run.state, becomes=becomes)


def of_repeat(run: RunRecord, device: KnownDevice | None, settings: Settings) -> TargetPreview:
    """What a repeat of ``run`` would lead to.

    Args:
        run: as it is now.
        device: of the run; None: it is not known any more.
        settings: of the API.
    """
    why_not = admission.repeat_refusal(run, device) if device else "its machine is not known any more"
    if why_not or device is None:
        return TargetPreview(target=run.run_id, would=False, reason=why_not or "", state=run.state)
    warnings = admission.explain(admission.approved(device), settings).obstacles
    return TargetPreview(
        target=run.run_id, would=True, warnings=warnings, state=run.state, becomes=model.RunState.QUEUED
    )


def unknown(target: str, kind: str) -> TargetPreview:
    """Of a target that there is not. ``kind``: device, run or job."""
    return TargetPreview(target=target, would=False, reason=f"there is no such {kind}")


def _needless(device: KnownDevice, wanted: DeviceChange, after: KnownDevice) -> str | None:
    """Why the change is not made among many others, although one command for this device may make it."""
    if wanted.state is model.DeviceState.APPROVED and device.state is model.DeviceState.ACTIVE:
        return _IN_SERVICE.format(name=device.record.name)
    if after == device:
        return f"nothing would change: the machine is {device_changes.shown(device)}"
    if wanted.maintenance == "" and after.maintenance:
        return f"no command has put the machine in maintenance: {after.maintenance}"
    return None


def _warnings(wanted: DeviceChange, after: KnownDevice) -> tuple[str, ...]:
    if wanted.state is model.DeviceState.APPROVED:
        return tuple(reason for _, reason in admission.obstacles(after))
    protects = wanted.maintenance or wanted.state in {model.DeviceState.ACTIVE, model.DeviceState.DISCOVERED}
    if after.record.active_run and protects:
        return (f"run {after.record.active_run} goes on, and gets no permit to switch the power any more",)
    return ()
