"""Test 8: the inventory, DEVICES_FILE: whether every BMC is verified, and every API host reads the same file."""

import re

from bringup import errors, inventory
from pki.check import Finding, fail, info, ok, skip, warn
from selftest.case import AT_API, Case
from selftest.target_installation import TargetInstallation

_GROUP = "8 Inventory"
_DIFFERING = "bringup_inventory_hosts_differing"  # a metric of the API


def _every_bmc_is_verified(target: TargetInstallation) -> Finding:
    """A BMC whose certificate is not checked gives its password to any server in its place."""
    path = target.settings.devices_file
    if not path.exists():
        return info(f"{path} is not on this host: the API's host has it")
    try:
        devices = inventory.Inventory.read(path).by_name
    except errors.InventoryError as error:
        return fail("; ".join(error.problems), expected="an inventory that the API can read", hint="docs/inventory.md")
    blind = sorted(name for name, device in devices.items() if not device.bmc_verify)
    if not blind:
        return ok(f"of {len(devices)} devices none has bmc_verify = false")
    return warn(
        f"bmc_verify = false: {', '.join(blind)}",
        cause="their BMCs' certificates are not checked: a server in a BMC's place gets its credentials",
        hint="give each its bmc_ca or bmc_fingerprint instead (docs/redfish.md)",
    )


def _all_hosts_have_one(target: TargetInstallation) -> Finding:
    """Each API host reads a file of its own: what one calls approved may be in service by another."""
    try:
        text = target.api_client().get_text("/metrics").decode(errors="replace")
    except errors.BringupError as error:
        return skip(f"the API was not asked: {error}", hint="see 3a and 3b")
    found = re.search(rf"^{_DIFFERING} ([0-9.]+)$", text, re.MULTILINE)
    if not found:
        return skip(f"the API has no {_DIFFERING}: it is of an older version", hint="upgrade the API first")
    differing = int(float(found[1]))
    if not differing:
        return ok("no other API host has another inventory")
    return fail(
        f"{differing} other API host(s) have another inventory",
        expected="one inventory on all API hosts",
        cause="DEVICES_FILE was changed on some of them; machines whose entries differ are withheld until then",
        hint="copy one DEVICES_FILE to all API hosts (the API's log names them; docs/inventory.md)",
    )


# Test 8 proves that no BMC's password can go to a server in its place (8), and that all API hosts decide by the same
# inventory (8.hosts).
CHECKS = (
    Case("8", "The certificate of every BMC is checked", _every_bmc_is_verified, group=_GROUP, static=True),
    Case(
        "8.hosts",
        "All API hosts have one inventory",
        _all_hosts_have_one,
        group=_GROUP,
        needs=("3a", "3b"),
        roles=AT_API,
    ),
)
