"""What only the running kernel can tell, by ioctl: the seam that lets a test be a machine."""

import array
import fcntl
import socket
import struct
from collections.abc import Callable
from typing import NamedTuple

from agent.ipmi import bmc_address, bmc_version

_SIOCGIFADDR = 0x8915  # linux/sockios.h
_SIOCETHTOOL = 0x8946
_ETHTOOL_GDRVINFO, _ETHTOOL_GPERMADDR = 0x03, 0x20  # linux/ethtool.h
_DRVINFO, _FIRMWARE = 196, slice(68, 100)  # struct ethtool_drvinfo: its size, and fw_version in it
_IFREQ = 40
_MAC_BYTES = 6


class Kernel(NamedTuple):
    """Questions about a port, by its name, and about the BMC. None: no answer."""

    permanent_mac: Callable[[str], str | None]
    ipv4_address: Callable[[str], str | None]
    bmc_address: Callable[[], str | None]
    firmware_version: Callable[[str], str | None]
    bmc_version: Callable[[], str | None]


def real_kernel() -> Kernel:
    """The kernel that this runs on."""
    return Kernel(permanent_mac, ipv4_address, bmc_address, firmware_version, bmc_version)


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
    request = struct.pack("II", _ETHTOOL_GPERMADDR, _MAC_BYTES) + bytes(_MAC_BYTES + 26)
    answer = _ethtool(port, request)
    mac = answer[8 : 8 + _MAC_BYTES] if answer else b""
    return mac.hex(":") if any(mac) else None


def firmware_version(port: str) -> str | None:
    """The version of the port's own firmware, as its driver has it."""
    answer = _ethtool(port, struct.pack("I", _ETHTOOL_GDRVINFO).ljust(_DRVINFO, b"\0"))
    return answer[_FIRMWARE].partition(b"\0")[0].decode("ascii", "replace").strip() if answer else None


def _ethtool(port: str, question: bytes) -> bytes | None:
    buffer = array.array("B", question)
    request = struct.pack("16sP16x", port.encode()[:15], buffer.buffer_info()[0])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as door:
        try:
            fcntl.ioctl(door, _SIOCETHTOOL, request)
        except OSError:
            return None
    return buffer.tobytes()
