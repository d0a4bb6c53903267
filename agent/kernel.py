"""What only the running kernel can tell, by ioctl: the seam that lets a test be a machine."""

import array
import fcntl
import socket
import struct
from collections.abc import Callable
from typing import NamedTuple

from agent.ipmi import bmc_address

_SIOCGIFADDR = 0x8915  # linux/sockios.h
_SIOCETHTOOL = 0x8946
_ETHTOOL_GPERMADDR = 0x20  # linux/ethtool.h
_IFREQ = 40
_MAC_BYTES = 6


class Kernel(NamedTuple):
    """Questions about a port, by its name, and about the BMC. None: no answer."""

    permanent_mac: Callable[[str], str | None]
    ipv4_address: Callable[[str], str | None]
    bmc_address: Callable[[], str | None]


def real_kernel() -> Kernel:
    """The kernel that this runs on."""
    return Kernel(permanent_mac, ipv4_address, bmc_address)


def ipv4_address(port: str) -> str | None:
    """The port's first address."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as door:
        try:
            answer = fcntl.ioctl(door, _SIOCGIFADDR, struct.pack(f"{_IFREQ}s", port.encode()[:15]))
        except OSError:
            return None
    return socket.inet_ntoa(answer[20:24])  # ifr_addr.sin_addr


def permanent_mac(port: str) -> str | None:
    """The address that the port was made with, whatever has been set since."""
    buffer = array.array("B", struct.pack("II", _ETHTOOL_GPERMADDR, _MAC_BYTES) + bytes(_MAC_BYTES + 26))
    request = struct.pack("16sP16x", port.encode()[:15], buffer.buffer_info()[0])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as door:
        try:
            fcntl.ioctl(door, _SIOCETHTOOL, request)
        except OSError:
            return None
    mac = bytes(buffer[8 : 8 + _MAC_BYTES])
    return mac.hex(":") if any(mac) else None
