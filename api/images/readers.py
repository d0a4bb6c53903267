"""Who is given the parameters in a run's image: the BMC on record, and the networks that IMAGE_READERS names.

Who has them can report for the machine. A worker knows the address of the image, and so may others by whose hands it
goes: they read the image without them.
"""

import socket
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from bringup import bmc_address, errors
from bringup.settings import Settings

Address = IPv4Address | IPv6Address


class UnknownBmcAddress(errors.BringupError):
    """The name of a BMC cannot be resolved, so that nobody could be given the parameters."""


def addresses_of(bmc: str | None) -> tuple[str, ...]:
    """The addresses of the BMC on record, each in one spelling: of a host name all that it has.

    Args:
        bmc: URL, as in the inventory; None: there is no BMC, and so no address.

    Raises:
        UnknownBmcAddress: its host name cannot be resolved now.
    """
    if bmc is None:
        return ()
    host = bmc_address.host_of(bmc)
    if known := plain(host):
        return (str(known),)
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise UnknownBmcAddress(
            f"this host cannot resolve {host}, the BMC's name in DEVICES_FILE: only its address is given the run's "
            "parameters"
        ) from None
    return tuple(sorted({str(address) for *_, target in found if (address := plain(str(target[0])))}))


def plain(text: str) -> Address | None:
    """The address in ``text``; without a zone, and IPv4 that came in IPv6 as IPv4; None: there is none.

    Source: RFC 4291 s.2.5.5.2, which is how a dual-stack socket shows a client of IPv4.
    """
    try:
        found = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return mapped or found


def is_excepted(address: str, settings: Settings) -> bool:
    """Whether IMAGE_READERS names it: a BMC behind NAT, a proxy, or a network where machines boot by HTTP."""
    found = plain(address)
    networks = filter(None, (part.strip() for part in settings.image_readers.split(",")))
    return found is not None and any(found in ip_network(network) for network in networks)


def may_have_parameters(address: str, bmc_addresses: Iterable[str] | None, settings: Settings) -> bool:
    """Whether a reader is given the run's parameters.

    Args:
        address: of the reader, as the server sees it; headers that a client or a proxy has written do not count.
        bmc_addresses: recorded when the image was made; None: by an API of a version that gave them to any reader
            and to the worker, so that nothing is left to protect.
    """
    if bmc_addresses is None:
        return True
    found = plain(address)
    return (found is not None and str(found) in bmc_addresses) or is_excepted(address, settings)
