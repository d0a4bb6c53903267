"""BMC addresses in one spelling, so that two entries of the inventory with one BMC are seen. Pure; no DNS is asked."""

import posixpath
import re
import socket
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import unquote, urlsplit

_NUMERIC = re.compile(r"[0-9a-fx.]*[0-9][0-9a-fx.]*", re.ASCII)
_DEFAULT_PORTS = {"https": 443, "http": 80}


def host_key(address: str) -> str:
    """Scheme, host and port in one spelling: case, default port, IPv6, percent-encoding, a dot at the end.

    Raises ValueError for what is no address, or has a host that is not ASCII.
    """
    parts = urlsplit(address)
    host = host_of(address)
    port = parts.port or _DEFAULT_PORTS.get(parts.scheme.lower())
    return f"{parts.scheme.lower()}://{host}:{port}"


def host_of(address: str) -> str:
    """The host alone, a name or an IP address, in one spelling. Raises ValueError as `host_key` does."""
    host = _host(unquote(urlsplit(address).hostname or ""))
    if not host:
        raise ValueError("has no host")
    return host


def system_key(address: str) -> str:
    """The path of the system in one spelling; "": the address names none.

    Redfish's paths have case, but no BMC has two systems that differ by it, and many ignore it.
    """
    path = posixpath.normpath("/" + unquote(urlsplit(address).path).strip("/")).casefold()
    return "" if path in {"/", "/redfish", "/redfish/v1", "/redfish/v1/systems"} else path


def same_bmc(one: str | None, other: str | None) -> bool:
    """Whether both name the same system of the same BMC; what is no address matches nothing."""
    try:
        keys = [(host_key(address or ""), system_key(address or "")) for address in (one, other)]
    except ValueError:
        return False
    return keys[0] == keys[1]


def _host(name: str) -> str:
    if not name.isascii():
        raise ValueError("must have its host in ASCII: one name has several spellings in Unicode; write xn--...")
    plain = name.lower().rstrip(".")
    try:
        found = ip_address(plain.partition("%")[0])
    except ValueError:
        return _short_ipv4(plain)
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return str(mapped or found)


def _short_ipv4(name: str) -> str:
    """10.1 and 0x0a000001 are 10.0.0.1 to every resolver; a name is left as it is. Source: inet_aton(3)."""
    if not _NUMERIC.fullmatch(name):
        return name
    try:
        return str(IPv4Address(socket.inet_aton(name)))
    except OSError:
        return name
