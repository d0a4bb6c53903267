"""What one report teaches of a machine."""

from typing import Any, NamedTuple

from bringup.wire.report import HardwareInventory, Report
from bringup_cli.learn.expected import expected_of


class Learned(NamedTuple):
    """The host's ports and its parts, in the words of the inventory; and who its BMC is, as far as that is known."""

    run_id: str
    found: HardwareInventory
    nic_macs: tuple[str, ...]
    expected: dict[str, Any]
    bmc_mac: str | None
    bmc_address: str | None


def learn(run_id: str, report: Report, macs: tuple[str, ...]) -> Learned:
    """What the report of a run teaches.

    Args:
        macs: under which the machine asked for leases. One that is no port of the host is its BMC's.
    """
    found = report.inventory
    ports = tuple(dict.fromkeys(interface.mac_address for interface in found.interfaces))
    bmc_macs = [mac for mac in macs if mac not in ports]
    return Learned(
        run_id=run_id,
        found=found,
        nic_macs=ports,
        expected=expected_of(found),
        bmc_mac=bmc_macs[0] if len(bmc_macs) == 1 else None,
        bmc_address=found.bmc_address,
    )
