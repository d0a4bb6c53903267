"""The address of this machine's BMC and the version of its firmware, asked over the system interface.

Source: IPMI 2.0 s.23.2 (Get LAN Configuration Parameters), table 23-4 (parameter 3, IP address), s.6.3 (channels),
s.20.1 (Get Device ID); linux/ipmi.h for the ioctls.
"""

import array
import fcntl
import os
import select
import struct
from collections.abc import Callable

_DEVICE = "/dev/ipmi0"
_SEND = 0x8028690D  # IPMICTL_SEND_COMMAND
_RECEIVE = 0xC030690B  # IPMICTL_RECEIVE_MSG_TRUNC
_GET_LAN_PARAMETERS = (0x0C, 0x02)  # network function, command
_GET_DEVICE_ID = (0x06, 0x01)
_IP_ADDRESS = 3
_CHANNELS = range(1, 12)
_PATIENCE_MS = 2000
_SYSTEM_INTERFACE = struct.pack("=iHBx", 0x0C, 0x0F, 0)  # address type, the BMC's channel, LUN 0


def bmc_address(device: str = _DEVICE) -> str | None:
    """The first IPv4 address of any of the BMC's LAN channels; None without IPMI, or where it has none."""
    return _with_bmc(device, _first)


def bmc_version(device: str = _DEVICE) -> str | None:
    """The BMC's firmware, as ``ipmitool mc info`` shows it; None without IPMI."""
    return _with_bmc(device, lambda descriptor: version_in(_ask(descriptor, _GET_DEVICE_ID, b"") or b""))


def _with_bmc(device: str, question: Callable[[int], str | None]) -> str | None:
    try:
        descriptor = os.open(device, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return question(descriptor)
    except OSError:
        return None
    finally:
        os.close(descriptor)


def _first(descriptor: int) -> str | None:
    for channel in _CHANNELS:
        answer = _ask(descriptor, _GET_LAN_PARAMETERS, bytes([channel, _IP_ADDRESS, 0, 0]))
        if answer is None:
            return None  # a BMC that does not answer once would cost 2 s a channel
        found = address_in(answer)
        if found is not None:
            return found
    return None


def address_in(answer: bytes) -> str | None:
    """The address in a response: completion code, parameter revision, four octets. None where there is none."""
    if len(answer) < 6 or answer[0] != 0 or not any(answer[2:6]):
        return None
    return ".".join(str(octet) for octet in answer[2:6])


def version_in(answer: bytes) -> str | None:
    """The version in a response to Get Device ID: major in 7 bits, minor in BCD. None where there is none."""
    return f"{answer[3] & 0x7F}.{answer[4]:02x}" if len(answer) >= 5 and answer[0] == 0 else None


def _ask(descriptor: int, question: tuple[int, int], content: bytes) -> bytes | None:
    place = array.array("B", _SYSTEM_INTERFACE)
    data = array.array("B", content)
    message = struct.pack("@BBHP", *question, len(data), data.buffer_info()[0])
    request = struct.pack("@PIl", place.buffer_info()[0], len(place), 1) + message
    fcntl.ioctl(descriptor, _SEND, request)
    waiting = select.poll()
    waiting.register(descriptor, select.POLLIN)
    return _receive(descriptor) if waiting.poll(_PATIENCE_MS) else None


def _receive(descriptor: int) -> bytes:
    place = array.array("B", bytes(32))
    data = array.array("B", bytes(256))
    message = struct.pack("@BBHP", 0, 0, len(data), data.buffer_info()[0])
    request = bytearray(struct.pack("@iPIl", 0, place.buffer_info()[0], len(place), 0) + message)
    fcntl.ioctl(descriptor, _RECEIVE, request)
    length = struct.unpack_from("@H", request, 34)[0]  # ipmi_recv.msg.data_len
    return bytes(data[: min(length, len(data))])
