"""Listens for LLDP on every port, beside the rest of the work. Source: IEEE 802.1AB-2016 s.7.1 (addresses)."""

import select
import socket
import struct
import threading
from collections.abc import Callable, Sequence

from agent import lldp

_ETHERTYPE = 0x88CC
_NEAREST_BRIDGE = bytes.fromhex("0180c200000e")
_SOL_PACKET, _ADD_MEMBERSHIP, _MULTICAST = 263, 1, 0  # linux/if_packet.h
_LONGEST_FRAME = 9216
_LOOK_S = 0.5


class Neighbours:
    """Who is at the other end of each cable: the first valid announcement per port counts."""

    def __init__(self, wait_s: float, monotonic: Callable[[], float]) -> None:
        self._listening: set[str] = set()
        self._monotonic = monotonic
        self._end = monotonic() + wait_s
        self._heard: dict[str, list[lldp.Tlv]] = {}
        self._news = threading.Condition()

    def listen(self, ports: Sequence[str]) -> None:
        """Begin on those ports that are new; one that cannot be listened on is as one without a neighbour."""
        new = [port for port in ports if port not in self._listening]
        self._listening.update(new)
        sockets = [door for port in new if (door := _open(port)) is not None]
        if sockets:
            threading.Thread(target=self._listen, args=(sockets,), name="lldp", daemon=True).start()

    def heard(self) -> dict[str, list[lldp.Tlv]]:
        """The announcement of each port that had one."""
        with self._news:
            return dict(self._heard)

    def wait(self, expected: Callable[[], Sequence[str]], check: Callable[[], None]) -> None:
        """Until all ports in ``expected()`` have heard one, or the time is up. ``check`` may raise to end it."""
        while self._monotonic() < self._end:
            check()
            with self._news:
                if set(expected()) <= set(self._heard):
                    return
                self._news.wait(min(_LOOK_S, max(0.0, self._end - self._monotonic())))

    def take(self, port: str, pdu: bytes) -> None:
        """What came in on a port; nonsense is dropped."""
        tlvs = lldp.parse(pdu)
        if tlvs is None:
            return
        with self._news:
            self._heard.setdefault(port, tlvs)
            self._news.notify_all()

    def _listen(self, sockets: list[socket.socket]) -> None:
        ready = select.poll()
        by_descriptor = {door.fileno(): door for door in sockets}
        for descriptor in by_descriptor:
            ready.register(descriptor, select.POLLIN)
        while self._monotonic() < self._end:
            for descriptor, _ in ready.poll(_LOOK_S * 1000):
                self._receive(by_descriptor[descriptor])
        for door in sockets:
            door.close()

    def _receive(self, door: socket.socket) -> None:
        try:
            pdu, address = door.recvfrom(_LONGEST_FRAME)
        except OSError:
            return  # the port went down; it may come back
        if address[2] != socket.PACKET_OUTGOING:
            self.take(address[0], pdu)


def _open(port: str) -> socket.socket | None:
    """A socket that gets the payload of each LLDP frame of a port. A bridge would not pass the group on to us."""
    try:
        door = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ETHERTYPE))
        door.bind((port, _ETHERTYPE))
        membership = struct.pack("iHH8s", socket.if_nametoindex(port), _MULTICAST, 6, _NEAREST_BRIDGE)
        door.setsockopt(_SOL_PACKET, _ADD_MEMBERSHIP, membership)
    except OSError:
        return None
    return door
