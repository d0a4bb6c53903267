"""The Ethernet address inside a DHCPv6 client's identifier, where it holds one. Source: RFC 8415 s.11."""

_ETHERNET = (1).to_bytes(2)  # hardware type, IANA ARP parameters
_ADDRESS_AT = {(1).to_bytes(2): 8, (3).to_bytes(2): 4}  # DUID-LLT: behind the time; DUID-LL


def mac_in(text: str) -> str | None:
    """The same, from octets in hexadecimal with colons."""
    try:
        return mac_of(octets(text))
    except ValueError:
        return None


def mac_of(duid: bytes) -> str | None:
    """Six octets with colons; None for a DUID-EN, a DUID-UUID, or other hardware."""
    address = duid[_ADDRESS_AT.get(duid[:2], len(duid)) :]
    if duid[2:4] != _ETHERNET or len(address) != 6:
        return None
    return address.hex(":")


def client_of(mac: str, ip: str) -> str:
    """What a log's client is known by: a machine with both protocols has two leases, and each is its own."""
    return f"{mac} 6" if ":" in ip else mac


def octets(text: str) -> bytes:
    """``00:03:00:01:02`` as bytes, digits left out at the front of an octet or not. Raises ValueError."""
    return bytes(int(octet, 16) for octet in text.split(":")) if text else b""
