"""The inspection of the whole machine, repeated until no device appears any more: drivers load late."""

from typing import Any

from agent import checks, heartbeat, inventory, lldp, network, system
from agent.inventory.disks import block_devices

# Seconds without a new disk or port after which the machine counts as complete: the image's init loads the drivers of
# new devices after 1, 1, 2 and 4 s (scripts/iso/root/init).
SETTLE_S = 5.0
# Inspections at most: a disk that comes and goes must not hold the report back for ever.
_MAX_INSPECTIONS = 6
_POLL_S = 0.5

Findings = tuple[dict[str, Any], list[dict[str, str]]]


def inspect(machine: system.LocalSystem, heartbeats: heartbeat.Heartbeats, neighbours: lldp.Neighbours) -> Findings:
    """The inventory and the results of the checks, of a machine with no new disk or port for 5 s.

    The wait for the neighbours is part of these 5 s; usually it is far longer, and costs nothing more.

    Args:
        machine: is inspected.
        heartbeats: carry the stage.
        neighbours: listen already.

    Raises:
        RunOver: the run has ended meanwhile.
    """
    for _ in range(_MAX_INSPECTIONS):
        began, devices = machine.system.monotonic(), _devices(machine)
        found, results = _inspect_once(machine, heartbeats)
        heartbeats.enter("neighbours")
        neighbours.wait(lambda: network.with_carrier(machine.root), heartbeats.raise_if_over)
        while machine.system.monotonic() < began + SETTLE_S:
            machine.system.pause(_POLL_S)
        if _devices(machine) == devices:
            break
        machine.log.show("disks or ports have appeared meanwhile: inspecting again")
        network.switch_on(machine.root, machine.system)
    for result in results:
        machine.log.show(f"check {result['name']}: {result['status']}: {result['detail']}")
    return inventory.with_neighbours(found.parts, neighbours.announcements()), results


def _inspect_once(
    machine: system.LocalSystem, heartbeats: heartbeat.Heartbeats
) -> tuple[inventory.Collected, list[dict[str, str]]]:
    heartbeats.enter("inventory")
    found = inventory.collect(machine.root, machine.kernel, machine.system)
    heartbeats.enter("checks")
    return found, checks.run_all(machine.root, found)


def _devices(machine: system.LocalSystem) -> tuple[list[str], list[str]]:
    return block_devices(machine.root), network.ports(machine.root)
