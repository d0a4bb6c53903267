"""An address by DHCP: from the first port with a carrier that is given one. IPv4 only."""

from agent import links
from agent.backoff import jitter
from agent.machine import Machine
from agent.system import Effects

SCRIPT = "/usr/share/udhcpc/default.script"  # of the image: sets address, route and resolv.conf


def obtain(machine: Machine) -> str:
    """Ask until a port has a lease, for ever, and say each time that there is none. Returns the port's name.

    Each time with the ports that there are then: some drivers come late.
    """
    root, effects, journal = machine.root, machine.effects, machine.journal
    while True:
        ready = links.with_carrier(root)
        for port in ready:
            if _ask(port, effects):
                journal.say(f"network: {port} has a DHCP lease")
                return port
        delay = jitter(3, 10)
        journal.say(f"{_nothing(links.ports(root), ready)}; trying again in {delay:.0f} s")
        effects.pause(delay)
        links.bring_up(root, effects)


def _ask(port: str, effects: Effects) -> bool:
    """One try. With a lease udhcpc stays in the background and renews it; without one it exits.

    Three DISCOVERs, 2 s apart; the deadline is for a server that offers and then does not acknowledge.
    """
    command = ["udhcpc", "-i", port, "-n", "-t", "3", "-T", "2", "-s", SCRIPT]
    return effects.execute(command, 20).code == 0


def _nothing(found: list[str], ready: list[str]) -> str:
    if not found:
        return "no network port: this image has no driver for it, or there is none"
    if not ready:
        return f"no carrier on {', '.join(found)}: no cable, or the switch port is off"
    return f"no DHCP lease on {', '.join(found)} (carrier: {', '.join(ready)})"
