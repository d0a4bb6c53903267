"""What a person may change of a device, and why not. Pure."""

from api.runs.records import KnownDevice
from bringup.model import DeviceState
from bringup.wire.operator import DeviceChange

NOT_IN_INVENTORY = "the machine is not in the inventory; add it to DEVICES_FILE, which approves it"


def changed(device: KnownDevice, wanted: DeviceChange) -> KnownDevice:
    """The device after the change, which was not refused."""
    if wanted.maintenance is not None:
        device = device.with_record(maintenance=wanted.maintenance or None)
    if wanted.forget_identity:
        device = device.with_record(identity=None)
    if wanted.state is None:
        return device
    return device.with_record(state=wanted.state, unapproved=wanted.state is DeviceState.DISCOVERED)


def refusal(device: KnownDevice, wanted: DeviceChange) -> str | None:
    """Why the device must not be changed so now; None: it may."""
    if wanted.expected_state and device.state is not wanted.expected_state:
        return f"the machine is {device.state} by now, and not {wanted.expected_state}"
    # Only approval exposes a machine; every other state protects it, and is always allowed.
    return approval_refusal(device) if wanted.state is DeviceState.APPROVED else None


def approval_refusal(device: KnownDevice) -> str | None:
    """Why the device must not be approved now; None: it may."""
    if device.record.active_run:
        return f"run {device.record.active_run} has not ended; abort it first"
    if device.entry is None:
        return NOT_IN_INVENTORY
    if device.entry.state is DeviceState.ACTIVE:
        return "the machine is active in the inventory; change DEVICES_FILE first"
    return None


def shown(device: KnownDevice) -> str:
    """The state of a device as the records of changes show it."""
    return f"{device.state} (maintenance: {device.maintenance})" if device.maintenance else str(device.state)
