"""What a neighbour says of itself, strictly read: it may be anybody.

Source: IEEE 802.1AB-2016 s.8.4 (TLV format), s.8.5.1-8.5.4 (mandatory TLVs), s.9.2.8.7 (validity of an LLDPDU).
"""

Tlv = tuple[int, bytes]
_END, _CHASSIS_ID, _PORT_ID, _TTL = 0, 1, 2, 3
_FIRST = [_CHASSIS_ID, _PORT_ID, _TTL]
MOST = 256  # TLVs that a report may hold


def parse(pdu: bytes) -> list[Tlv] | None:
    """The TLVs of an LLDPDU (the frame after its EtherType), without the end mark; None if it is not valid."""
    found = _split(pdu)
    if found is None or [kind for kind, _ in found[:3]] != _FIRST:
        return None
    if any(kind in _FIRST for kind, _ in found[3:]) or not _fit(found):
        return None
    return found[:MOST]


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


def _fit(found: list[Tlv]) -> bool:
    """Identifiers of 1 to 255 octets behind their subtype; a lifetime that is not 0, which says goodbye."""
    (_, chassis), (_, port), (_, ttl) = found[:3]
    identified = all(2 <= len(value) <= 256 for value in (chassis, port))
    return identified and len(ttl) >= 2 and ttl[:2] != b"\0\0"


def as_reported(tlvs: list[Tlv]) -> list[list[int | str]]:
    """As Ironic's inspection has it: the type, and the value in hex."""
    return [[kind, value.hex()] for kind, value in tlvs]
