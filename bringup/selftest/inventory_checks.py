"""Test 8: what the inventory says that nobody should forget."""

from bringup.errors import InventoryError
from bringup.inventory import Inventory
from bringup.selftest.check import Check, Finding, fail, info, ok, warn
from bringup.selftest.subject import Subject

_GROUP = "8 Inventory"


def _every_bmc_is_verified(subject: Subject) -> Finding:
    """A BMC whose certificate nobody checks gives its password to whoever answers in its place."""
    path = subject.settings.devices_file
    if not path.exists():
        return info(f"{path} is not on this host: the API's host has it")
    try:
        devices = Inventory.read(path).by_name
    except InventoryError as error:
        return fail("; ".join(error.problems), expected="an inventory that the API can read", mend="docs/inventory.md")
    blind = sorted(name for name, device in devices.items() if not device.bmc_verify)
    if not blind:
        return ok(f"of {len(devices)} devices none has bmc_verify = false")
    return warn(
        f"bmc_verify = false: {', '.join(blind)}",
        cause="their BMCs' certificates are not checked: who answers in a BMC's place gets its credentials",
        mend="give each its bmc_ca or bmc_fingerprint instead (docs/redfish.md)",
    )


CHECKS = (Check("8", _GROUP, "The certificate of every BMC is checked", _every_bmc_is_verified, static=True),)
