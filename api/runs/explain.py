"""Whether a machine would be powered now, and what stands in the way. Pure; it switches nothing."""

from collections.abc import Iterator

from api.runs.admission import obstacles
from api.runs.records import KnownDevice
from bringup.inventory import Device
from bringup.settings import Settings
from bringup.wire.operator import Explanation


def explain(device: KnownDevice, settings: Settings) -> Explanation:
    """What a lease of ``device`` would lead to now. What only a worker can see (its files) is not looked at."""
    undecided = [reason for _, reason in obstacles(device)]
    unprepared = list(_unprepared(device.entry, settings)) if device.entry else []
    return Explanation(
        device=device.record.name,
        would_start=not undecided,
        would_power=not undecided and not unprepared,
        obstacles=(*undecided, *unprepared),
        steps=tuple(_steps(device.entry, settings)) if device.entry else (),
    )


def _unprepared(entry: Device, settings: Settings) -> Iterator[str]:
    """Why a run that starts would fail before it reaches the power switch."""
    if entry.bmc.startswith("simulated:"):
        if settings.environment == "production":
            yield "bmc_unreachable: its BMC is simulated, and ENVIRONMENT=production"
        return
    if entry.credential is None:
        yield "bmc_auth: the inventory names no credential for its BMC"
    if not settings.validation_image and entry.boot_method != "pxe":
        yield "media_rejected: there is no image to boot: set VALIDATION_IMAGE at the API"


def _steps(entry: Device, settings: Settings) -> Iterator[str]:
    yield f"ask the BMC at {entry.bmc} which machine it is, and compare"
    if entry.boot_method == "cd":
        yield f"insert the image that is served for this run under {settings.image_base}"
    yield "switch the machine off if it is on"
    yield f"set the boot override to {entry.boot_method}, once"
    yield "switch the machine on"
    yield f"after the run eject the image{' and switch the machine off' if settings.power_off_after_run else ''}"
