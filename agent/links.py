"""The network ports of the host: which there are, bringing them up, and whether a cable is in."""

from pathlib import Path

from agent.system import Effects
from agent.text import names, read_number

_ETHERNET = 1  # ARPHRD_ETHER, linux/if_arp.h
LONGEST_S = 10.0
AFTER_FIRST_S = 3.0
_LOOK_S = 0.25


def ports(root: Path) -> list[str]:
    """Ethernet ports of real devices: no loopback, no bridge or tunnel, no virtual function of another port."""
    folder = root / "sys/class/net"
    return [name for name in names(folder) if _is_port(folder / name)]


def _is_port(place: Path) -> bool:
    device = place / "device"
    return read_number(place / "type") == _ETHERNET and device.exists() and not (device / "physfn").exists()


def has_carrier(root: Path, port: str) -> bool:
    """Whether a cable is in and the other end is on. A port that is down has none."""
    return read_number(root / "sys/class/net" / port / "carrier") == 1


def with_carrier(root: Path) -> list[str]:
    """The ports that have a carrier now."""
    return [port for port in ports(root) if has_carrier(root, port)]


def switch_on(root: Path, effects: Effects) -> None:
    """Switch every port on; one that is on already stays so."""
    for port in ports(root):
        effects.execute(["ip", "link", "set", "dev", port, "up"], 10)


def bring_up(root: Path, effects: Effects) -> None:
    """Switch every port on, and wait until each has a carrier.

    Ends 3 s after the first carrier, or after 10 s: copper takes 2 to 4 s to negotiate, and an empty port never does.
    """
    switch_on(root, effects)
    found = ports(root)
    end = effects.monotonic() + LONGEST_S
    seen = False
    while effects.monotonic() < end:
        ready = with_carrier(root)
        if len(ready) == len(found):
            return
        if ready and not seen:
            seen, end = True, min(end, effects.monotonic() + AFTER_FIRST_S)
        effects.pause(_LOOK_S)
