"""The boot source override: set for one boot, read back, and taken back when it was never used.

Source: Redfish schema ComputerSystem, Boot.
"""

from sushy import BootSource, BootSourceOverrideEnabled
from sushy.resources.system.system import System

from bringup.errors import BmcRejected
from bringup.model import FailureReason

_TARGETS = {"cd": BootSource.CD, "uefi-http": BootSource.UEFI_HTTP, "pxe": BootSource.PXE}
_SAME = {BootSource.USB_CD: BootSource.CD}  # sushy asks Supermicro for the one that works there
_TRIES = 2


def boot_once(system: System, boot_method: str, image_url: str | None) -> None:
    """Boot from the medium, the image's address or the network at the next start, and only then.

    Raises:
        BmcRejected: it reads back differently after a second try: the machine would boot something else.
    """
    target = _TARGETS[boot_method]
    address = image_url if target is BootSource.UEFI_HTTP else None
    for _ in range(_TRIES):
        system.set_system_boot_options(target, BootSourceOverrideEnabled.ONCE, http_boot_uri=address)
        if _override(system) == (BootSourceOverrideEnabled.ONCE, target):
            return
    enabled, found = _override(system)
    raise BmcRejected(
        f"the boot override was set to Once/{target.value} and reads back as {_word(enabled)}/{_word(found)}",
        reason=FailureReason.NO_BOOT,
    )


def restore(system: System, boot_method: str) -> None:
    """Take back an override of ours that no boot has used; the BMC ends a used one by itself."""
    if _override(system) == (BootSourceOverrideEnabled.ONCE, _TARGETS[boot_method]):
        system.set_system_boot_options(enabled=BootSourceOverrideEnabled.DISABLED)


def _override(system: System) -> tuple[BootSourceOverrideEnabled | None, BootSource | None]:
    system.invalidate()
    system.refresh()
    boot = system.boot
    return (boot.enabled, _SAME.get(boot.target, boot.target)) if boot else (None, None)


def _word(value: BootSource | BootSourceOverrideEnabled | None) -> str:
    return str(value.value) if value else "nothing"
