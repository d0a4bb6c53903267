"""LLDP: the announcements of the switches at the other end of the cables, strictly parsed: anyone may send them.

Source: IEEE 802.1AB-2016 s.7.1 (addresses), s.8.4 (TLV format), s.8.5.1-8.5.4 (mandatory TLVs), s.9.2.8.7 (validity of
an LLDPDU).
"""

import select
import socket
import struct
import threading
from collections.abc import Callable, Sequence

Tlv = tuple[int, bytes]
_END, _CHASSIS_ID, _PORT_ID, _TTL = 0, 1, 2, 3
_MANDATORY = [_CHASSIS_ID, _PORT_ID, _TTL]
# TLVs that a report may hold: `bringup.wire.report.Interface` refuses more.
MAX_TLVS = 256
_ETHERTYPE = 0x88CC
_NEAREST_BRIDGE = bytes.fromhex("0180c200000e")
_SOL_PACKET, _ADD_MEMBERSHIP, _MULTICAST = 263, 1, 0  # linux/if_packet.h
# Bytes: an LLDPDU is one frame, and the longest jumbo frames of common switches have 9216.
_MAX_FRAME_BYTES = 9216
# Seconds between two looks at whether the time is up, or the run over.
_POLL_S = 0.5


def parse(pdu: bytes) -> list[Tlv] | None:
    """The TLVs of an LLDPDU (the frame after its EtherType), without the end mark; None if it is not valid."""
    found = _split(pdu)
    if found is None or [kind for kind, _ in found[:3]] != _MANDATORY:
        return None
    if any(kind in _MANDATORY for kind, _ in found[3:]) or not _has_valid_ids(found):
        return None
    return found[:MAX_TLVS]


def _split(pdu: bytes) -> list[Tlv] | None:
    """Type in 7 bits, length in 9, value; None where a value would reach beyond the frame."""
    found: list[Tlv] = []
    at = 0
    while at + 2 <= len(pdu):
        head = int.from_bytes(pdu[at : at + 2], "big")
        kind, length = head >> 9, head & 0x1FF
        if kind == _END:
            return found if length == 0 else None  # what follows is the padding of a short frame
        value = pdu[at + 2 : at + 2 + length]
        if len(value) < length:
            return None
        found.append((kind, value))
        at += 2 + length
    return found if at == len(pdu) else None


def _has_valid_ids(found: list[Tlv]) -> bool:
    """Whether the identifiers have 1 to 255 octets after their subtype, and the TTL is not 0 (a shutdown LLDPDU)."""
    (_, chassis), (_, port), (_, ttl) = found[:3]
    identified = all(2 <= len(value) <= 256 for value in (chassis, port))
    return identified and len(ttl) >= 2 and ttl[:2] != b"\0\0"


def as_reported(tlvs: list[Tlv]) -> list[list[int | str]]:
    """As Ironic's inspection has it: the type, and the value in hex."""
    return [[kind, value.hex()] for kind, value in tlvs]


class Neighbours:
    """The switch port at the other end of each cable: the first valid announcement of a port counts."""

    def __init__(self, wait_s: float, monotonic: Callable[[], float]) -> None:
        """Nothing is listened to yet.

        Args:
            wait_s: seconds from now after which no announcement is waited for.
            monotonic: seconds since the boot.
        """
        self._ports: set[str] = set()
        self._monotonic = monotonic
        self._end = monotonic() + wait_s
        self._announced: dict[str, list[Tlv]] = {}
        # Guards _announced, which the listening threads fill; wakes `wait` at once when one comes.
        self._changed = threading.Condition()

    def listen(self, ports: Sequence[str]) -> None:
        """Start listening on ports that are new; one that cannot be listened on counts as one without a neighbour."""
        new = [port for port in ports if port not in self._ports]
        self._ports.update(new)
        sockets = [sock for port in new if (sock := _open(port)) is not None]
        if sockets:
            threading.Thread(target=self._listen, args=(sockets,), name="lldp", daemon=True).start()

    def announcements(self) -> dict[str, list[Tlv]]:
        """The announcement of each port that had one."""
        with self._changed:
            return dict(self._announced)

    def wait(self, expected: Callable[[], Sequence[str]], check: Callable[[], None]) -> None:
        """Wait until all ports of ``expected()`` have an announcement, or the time is up.

        Args:
            expected: returns the names of the ports that are waited for now.
            check: called at each look; an exception that it raises ends the wait.
        """
        while self._monotonic() < self._end:
            check()
            with self._changed:
                if set(expected()) <= set(self._announced):
                    return
                self._changed.wait(min(_POLL_S, max(0.0, self._end - self._monotonic())))

    def receive(self, port: str, pdu: bytes) -> None:
        """Record the LLDPDU that a port received; an invalid one is dropped."""
        tlvs = parse(pdu)
        if tlvs is None:
            return
        with self._changed:
            self._announced.setdefault(port, tlvs)
            self._changed.notify_all()

    def _listen(self, sockets: list[socket.socket]) -> None:
        ready = select.poll()
        by_descriptor = {sock.fileno(): sock for sock in sockets}
        for descriptor in by_descriptor:
            ready.register(descriptor, select.POLLIN)
        while self._monotonic() < self._end:
            for descriptor, _ in ready.poll(_POLL_S * 1000):
                self._read_frame(by_descriptor[descriptor])
        for sock in sockets:
            sock.close()

    def _read_frame(self, sock: socket.socket) -> None:
        try:
            pdu, address = sock.recvfrom(_MAX_FRAME_BYTES)
        except OSError:
            return  # the port went down; it may come back
        if address[2] != socket.PACKET_OUTGOING:
            self.receive(address[0], pdu)


def _open(port: str) -> socket.socket | None:
    """A socket that receives each LLDP frame of a port. It joins the group: the kernel drops its frames otherwise."""
    try:
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ETHERTYPE))
        sock.bind((port, _ETHERTYPE))
        membership = struct.pack("iHH8s", socket.if_nametoindex(port), _MULTICAST, 6, _NEAREST_BRIDGE)
        sock.setsockopt(_SOL_PACKET, _ADD_MEMBERSHIP, membership)
    except OSError:
        return None
    return sock
