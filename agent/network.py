"""The network ports of the host: which there are, switching them on, and an address by DHCP. IPv4 only."""

from pathlib import Path

from agent.api import jitter
from agent.system import LocalSystem, System
from agent.text import names, read_number

_ETHERNET = 1  # ARPHRD_ETHER, linux/if_arp.h
# Seconds that a carrier is waited for; a cable that is plugged in later is found, too: DHCP is retried for ever.
CARRIER_TIMEOUT_S = 10.0
# Seconds after the first carrier: copper takes 2 to 4 s to negotiate, and an empty port never gets a carrier.
_OTHER_PORTS_S = 3.0
_POLL_S = 0.25
# Seconds for ``ip link set``: it returns at once unless a driver hangs.
_LINK_TIMEOUT_S = 10.0
# Seconds for one try of udhcpc: three DISCOVERs 2 s apart; the rest is for a server that offers and never acknowledges.
_DHCP_TIMEOUT_S = 20.0
# Of the image: sets address, route and resolv.conf.
_DHCP_SCRIPT = "/usr/share/udhcpc/default.script"


def ports(root: Path) -> list[str]:
    """Ethernet ports of real devices: no loopback, no bridge or tunnel, no virtual function of another port."""
    folder = root / "sys/class/net"
    return [name for name in names(folder) if _is_port(folder / name)]


def _is_port(folder: Path) -> bool:
    device = folder / "device"
    return read_number(folder / "type") == _ETHERNET and device.exists() and not (device / "physfn").exists()


def has_carrier(root: Path, port: str) -> bool:
    """Whether a cable is in and the other end is on. A port that is down has none."""
    return read_number(root / "sys/class/net" / port / "carrier") == 1


def with_carrier(root: Path) -> list[str]:
    """The ports that have a carrier now."""
    return [port for port in ports(root) if has_carrier(root, port)]


def switch_on(root: Path, system: System) -> None:
    """Switch every port on; one that is on already stays on."""
    for port in ports(root):
        system.execute(["ip", "link", "set", "dev", port, "up"], _LINK_TIMEOUT_S)


def bring_up(root: Path, system: System) -> None:
    """Switch every port on, and wait until each has a carrier.

    Returns 3 s after the first carrier, or after 10 s.
    """
    switch_on(root, system)
    found = ports(root)
    end = system.monotonic() + CARRIER_TIMEOUT_S
    first_seen = False
    while system.monotonic() < end:
        ready = with_carrier(root)
        if len(ready) == len(found):
            return
        if ready and not first_seen:
            first_seen, end = True, min(end, system.monotonic() + _OTHER_PORTS_S)
        system.pause(_POLL_S)


def obtain_lease(machine: LocalSystem) -> str:
    """Ask for an address on each port with a carrier, for ever, until one has a lease. Returns the port's name.

    Each try looks at the ports anew: some drivers load late. Each failed try is one line on the console.
    """
    root, system, log = machine.root, machine.system, machine.log
    while True:
        ready = with_carrier(root)
        for port in ready:
            if _request_lease(port, system):
                log.show(f"network: {port} has a DHCP lease")
                return port
        delay = jitter(3, 10)
        log.show(f"{_no_lease(ports(root), ready)}; trying again in {delay:.0f} s")
        system.pause(delay)
        bring_up(root, system)


def _request_lease(port: str, system: System) -> bool:
    """One try. With a lease udhcpc stays in the background and renews it; without one (``-n``) it exits."""
    command = ["udhcpc", "-i", port, "-n", "-t", "3", "-T", "2", "-s", _DHCP_SCRIPT]
    return system.execute(command, _DHCP_TIMEOUT_S).code == 0


def _no_lease(found: list[str], ready: list[str]) -> str:
    if not found:
        return "no network port: this image has no driver for it, or there is none"
    if not ready:
        return f"no carrier on {', '.join(found)}: no cable, or the switch port is off"
    return f"no DHCP lease on {', '.join(found)} (carrier: {', '.join(ready)})"
