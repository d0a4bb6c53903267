"""What only the running kernel knows: of the network ports and the BMC, by ioctl (tests replace `Kernel`); its log.

Source: linux/sockios.h, linux/ethtool.h; Documentation/ABI/testing/dev-kmsg; linux/ipmi.h; IPMI 2.0 s.23.2 (Get LAN
Configuration Parameters), table 23-4 (parameter 3, IP address), s.6.3 (channels), s.20.1 (Get Device ID).
"""

import array
import fcntl
import os
import select
import socket
import struct
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

_SIOCGIFADDR = 0x8915
_SIOCETHTOOL = 0x8946
_ETHTOOL_GDRVINFO, _ETHTOOL_GPERMADDR = 0x03, 0x20
_DRVINFO, _FIRMWARE = 196, slice(68, 100)  # struct ethtool_drvinfo: its size, and fw_version in it
_IFREQ = 40
_MAC_BYTES = 6

_IPMI_DEVICE = "/dev/ipmi0"
_SEND = 0x8028690D  # IPMICTL_SEND_COMMAND
_RECEIVE = 0xC030690B  # IPMICTL_RECEIVE_MSG_TRUNC
_GET_LAN_PARAMETERS = (0x0C, 0x02)  # network function, command
_GET_DEVICE_ID = (0x06, 0x01)
_IP_ADDRESS = 3
_CHANNELS = range(1, 12)
# Milliseconds for one response. A BMC that is restarting sends none, and the inventory must not wait for it.
_IPMI_TIMEOUT_MS = 2000
_SYSTEM_INTERFACE = struct.pack("=iHBx", 0x0C, 0x0F, 0)  # address type, the BMC's channel, LUN 0

# Bytes that are read: the API accepts no more per log, and a kernel's buffer is usually smaller.
_MAX_LOG_BYTES = 1024**2
# Bytes of one record: a read with less room fails with EINVAL (the kernel's CONSOLE_EXT_LOG_MAX).
_RECORD_BYTES = 8192


class Kernel(NamedTuple):
    """Questions about a port, by its name, and about the BMC. Each returns None where there is no answer.

    Args:
        permanent_mac: the address that a port was made with.
        ipv4_address: the first address that a port has now.
        bmc_address: the first IPv4 address of the BMC.
        firmware_version: of a port's own firmware.
        bmc_version: of the BMC's firmware.
    """

    permanent_mac: Callable[[str], str | None]
    ipv4_address: Callable[[str], str | None]
    bmc_address: Callable[[], str | None]
    firmware_version: Callable[[str], str | None]
    bmc_version: Callable[[], str | None]


def real_kernel() -> Kernel:
    """The kernel that this process runs on."""
    return Kernel(permanent_mac, ipv4_address, bmc_address, firmware_version, bmc_version)


def ipv4_address(port: str) -> str | None:
    """The port's first address."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            reply = fcntl.ioctl(sock, _SIOCGIFADDR, struct.pack(f"{_IFREQ}s", port.encode()[:15]))
        except OSError:
            return None
    return socket.inet_ntoa(reply[20:24])  # ifr_addr.sin_addr


def permanent_mac(port: str) -> str | None:
    """The address that the port was made with, whatever has been set since."""
    request = struct.pack("II", _ETHTOOL_GPERMADDR, _MAC_BYTES) + bytes(_MAC_BYTES + 26)
    reply = _ethtool(port, request)
    mac = reply[8 : 8 + _MAC_BYTES] if reply else b""
    return mac.hex(":") if any(mac) else None


def firmware_version(port: str) -> str | None:
    """The version of the port's own firmware, as its driver has it."""
    reply = _ethtool(port, struct.pack("I", _ETHTOOL_GDRVINFO).ljust(_DRVINFO, b"\0"))
    return reply[_FIRMWARE].partition(b"\0")[0].decode("ascii", "replace").strip() if reply else None


def bmc_address(device: str = _IPMI_DEVICE) -> str | None:
    """The first IPv4 address of any of the BMC's LAN channels; None without IPMI, or where it has none."""
    return _with_bmc(device, _first_address)


def bmc_version(device: str = _IPMI_DEVICE) -> str | None:
    """The BMC's firmware, as ``ipmitool mc info`` shows it; None without IPMI."""
    return _with_bmc(device, lambda descriptor: version_in(_ipmi(descriptor, _GET_DEVICE_ID, b"") or b""))


def address_in(response: bytes) -> str | None:
    """The address in a response: completion code, parameter revision, four octets. None where there is none."""
    if len(response) < 6 or response[0] != 0 or not any(response[2:6]):
        return None
    return ".".join(str(octet) for octet in response[2:6])


def version_in(response: bytes) -> str | None:
    """The version in a response to Get Device ID: major in 7 bits, minor in BCD. None where there is none."""
    return f"{response[3] & 0x7F}.{response[4]:02x}" if len(response) >= 5 and response[0] == 0 else None


def _ethtool(port: str, request: bytes) -> bytes | None:
    buffer = array.array("B", request)
    ifreq = struct.pack("16sP16x", port.encode()[:15], buffer.buffer_info()[0])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            fcntl.ioctl(sock, _SIOCETHTOOL, ifreq)
        except OSError:
            return None
    return buffer.tobytes()


def _with_bmc(device: str, ask: Callable[[int], str | None]) -> str | None:
    try:
        descriptor = os.open(device, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return ask(descriptor)
    except OSError:
        return None
    finally:
        os.close(descriptor)


def _first_address(descriptor: int) -> str | None:
    for channel in _CHANNELS:
        response = _ipmi(descriptor, _GET_LAN_PARAMETERS, bytes([channel, _IP_ADDRESS, 0, 0]))
        if response is None:
            return None  # a BMC that does not answer once would cost 2 s a channel
        found = address_in(response)
        if found is not None:
            return found
    return None


def _ipmi(descriptor: int, command: tuple[int, int], content: bytes) -> bytes | None:
    address = array.array("B", _SYSTEM_INTERFACE)
    data = array.array("B", content)
    message = struct.pack("@BBHP", *command, len(data), data.buffer_info()[0])
    request = struct.pack("@PIl", address.buffer_info()[0], len(address), 1) + message
    fcntl.ioctl(descriptor, _SEND, request)
    ready = select.poll()
    ready.register(descriptor, select.POLLIN)
    return _receive(descriptor) if ready.poll(_IPMI_TIMEOUT_MS) else None


def _receive(descriptor: int) -> bytes:
    address = array.array("B", bytes(32))
    data = array.array("B", bytes(256))
    message = struct.pack("@BBHP", 0, 0, len(data), data.buffer_info()[0])
    request = bytearray(struct.pack("@iPIl", 0, address.buffer_info()[0], len(address), 0) + message)
    fcntl.ioctl(descriptor, _RECEIVE, request)
    length = struct.unpack_from("@H", request, 34)[0]  # ipmi_recv.msg.data_len
    return bytes(data[: min(length, len(data))])


def log_lines(root: Path) -> list[str] | None:
    """The messages of the kernel's log, oldest first; None where it cannot be read.

    The kernel escapes control characters in them.
    """
    try:
        descriptor = os.open(root / "dev/kmsg", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        raw = _read_all(descriptor)
    finally:
        os.close(descriptor)
    return [_message(line) for line in raw.decode("utf-8", "replace").splitlines() if line[:1] not in ("", " ")]


def log_text(root: Path) -> bytes:
    """The whole log, as a file."""
    return "".join(f"{line}\n" for line in log_lines(root) or ()).encode()


def _read_all(descriptor: int) -> bytes:
    """One record a read until there is no more; a record that was overwritten meanwhile (EPIPE) is skipped."""
    found = bytearray()
    while len(found) < _MAX_LOG_BYTES:
        try:
            record = os.read(descriptor, _RECORD_BYTES)
        except BrokenPipeError:
            continue
        except OSError:
            break
        if not record:
            break
        found += record
    return bytes(found)


def _message(line: str) -> str:
    """``priority,sequence,microseconds,flags;message`` as dmesg shows it."""
    head, _, message = line.partition(";")
    fields = head.split(",")
    if len(fields) < 3 or not fields[2].isdigit():
        return message or line
    return f"[{int(fields[2]) / 1e6:12.6f}] {message}"
