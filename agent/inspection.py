"""A look at the whole machine, again until it stands still: drivers, disks and cables come when they come."""

from typing import Any

from agent import checks, inventory, links
from agent.heartbeat import Heartbeats
from agent.inventory.disks import block_devices
from agent.machine import Machine
from agent.neighbours import Neighbours

QUIET_S = 5.0
_MOST = 6  # looks: a disk that comes and goes must not hold the report back for ever
_LOOK_S = 0.5

Findings = tuple[dict[str, Any], list[dict[str, str]]]


def examine(machine: Machine, heartbeats: Heartbeats, neighbours: Neighbours) -> Findings:
    """The inventory and the checks, of a machine with no new disk or port for 5 s. Raises RunOver.

    The wait for the neighbours is part of these 5 s: usually it is far longer, and nothing is waited for besides.
    """
    for _ in range(_MOST):
        began, devices = machine.effects.monotonic(), _devices(machine)
        found, results = _look(machine, heartbeats)
        heartbeats.enter("neighbours")
        neighbours.wait(lambda: links.with_carrier(machine.root), heartbeats.check)
        while machine.effects.monotonic() < began + QUIET_S:
            machine.effects.pause(_LOOK_S)
        if _devices(machine) == devices:
            break
        machine.journal.say("disks or ports have appeared meanwhile: looking again")
        links.switch_on(machine.root, machine.effects)
    _say(machine, results)
    return inventory.with_neighbours(found.parts, neighbours.heard()), results


def _look(machine: Machine, heartbeats: Heartbeats) -> tuple[inventory.Collected, list[dict[str, str]]]:
    heartbeats.enter("inventory")
    found = inventory.collect(machine.root, machine.kernel, machine.effects)
    heartbeats.enter("checks")
    return found, checks.run_all(machine.root, found)


def _devices(machine: Machine) -> tuple[list[str], list[str]]:
    return block_devices(machine.root), links.ports(machine.root)


def _say(machine: Machine, results: list[dict[str, str]]) -> None:
    for result in results:
        machine.journal.say(f"check {result['name']}: {result['status']}: {result['detail']}")
