"""Who a certificate is for, and the names and addresses that it may carry. Pure.

Source: RFC 1123 s.2.1 (host names), RFC 5280 s.4.2.1.6 (subject alternative names).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address

from cryptography import x509

from pki.errors import InvalidInput

# .internal is reserved for private use (ICANN, 2024): no name server answers for it, and no public CA certifies it.
DOMAIN = "bringup.internal"

# Characters. NAME.operator.bringup.internal is a common name, which has at most 64: RFC 5280 A.1.
LONGEST_NAME = 37

# RFC 1123 s.2.1: 1 to 63 characters, no hyphen at either end; lower case, so that one name has one spelling.
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")

San = x509.DNSName | x509.IPAddress


class Role(StrEnum):
    """What a certificate is for: it decides the extended key usage."""

    REDIS = "redis"
    API = "api"
    WORKER = "worker"
    OPERATOR = "operator"
    RUN = "run"
    IMAGES = "images"  # a port that serves images alone
    TAILER = "tailer"
    CONSOLE = "console"
    CONNECTOR = "connector"  # a program of another system that follows the feed of changes
    WEB = "web"  # the console's port, for browsers
    HOST = "host"  # a host itself: as a client of Redis, and when it renews what it has
    CA = "ca"  # the CA's host, as a client of the API

    @property
    def is_server(self) -> bool:
        """Servers are connected to; all others connect."""
        return self in {Role.REDIS, Role.API, Role.IMAGES, Role.WEB}


STANDARD_ROLES = (Role.REDIS, Role.WORKER, Role.API)


@dataclass(frozen=True, order=True)
class Identity:
    """One holder of a certificate, known by the name ``NAME.ROLE.bringup.internal``."""

    role: Role
    name: str

    def __post_init__(self) -> None:
        if len(self.name) > LONGEST_NAME or not _LABEL.fullmatch(self.name):
            raise InvalidInput(
                f"{self.name!r} is no usable name: at most {LONGEST_NAME} lower-case letters, digits and hyphens",
                hint=f"choose a name such as {self.role}-2",
            )

    @property
    def dns(self) -> str:
        """The name that peers see in the certificate."""
        return f"{self.name}.{self.role}.{DOMAIN}"

    @property
    def is_standard(self) -> bool:
        """One of the three that `pki setup` makes, at fixed paths."""
        return self.role in STANDARD_ROLES and self.name == self.role

    def __str__(self) -> str:
        return self.name if self.is_standard else f"{self.role}/{self.name}"


STANDARD = tuple(Identity(role, role.value) for role in STANDARD_ROLES)


def names_of(identity: Identity) -> set[str]:
    """Every text that names an identity: ``w2``, ``worker/w2``, its full name."""
    return {identity.name, f"{identity.role}/{identity.name}", identity.dns}


def identity_of(certificate: x509.Certificate | x509.CertificateSigningRequest) -> Identity | None:
    """The one identity that a certificate carries; None if it has none, or more than one."""
    found = [identity for name in dns_names(certificate) if (identity := parse_identity(name))]
    return found[0] if len(found) == 1 else None


def parse_identity(name: str) -> Identity | None:
    """The identity that a DNS name is; None if it is another name."""
    label, _, rest = name.partition(".")
    role = rest.removesuffix(f".{DOMAIN}")
    if not rest.endswith(f".{DOMAIN}") or role not in set(Role):
        return None
    try:
        return Identity(Role(role), label)
    except InvalidInput:
        return None


def dns_names(certificate: x509.Certificate | x509.CertificateSigningRequest) -> list[str]:
    """The DNS names among its SANs."""
    return [san.value for san in sans_of(certificate) if isinstance(san, x509.DNSName)]


def sans_of(certificate: x509.Certificate | x509.CertificateSigningRequest) -> tuple[San, ...]:
    """The DNS names and addresses of a certificate or request, in their order."""
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (x509.ExtensionNotFound, ValueError):
        return ()
    return tuple(san for san in extension.value if isinstance(san, (x509.DNSName, x509.IPAddress)))


def parse_san(text: str, *, single_label: bool = False) -> San:
    """An address or a host name that a certificate may carry.

    Args:
        text: what an operator typed or a setting holds; brackets around an IPv6 address are dropped.
        single_label: allow names without a dot, such as ``localhost``: for development only.

    Raises:
        InvalidInput: it is neither, or must not be in a certificate.
    """
    text = text.strip().strip("[]")
    try:
        return _address(text)
    except ValueError:
        return x509.DNSName(_host(text.lower(), single_label=single_label))


def san_text(san: San) -> str:
    """A name or address as text."""
    return str(san.value)


def unique(sans: Iterable[San]) -> tuple[San, ...]:
    """Each once, the first occurrence's order."""
    return tuple(dict.fromkeys(sans))


def _address(text: str) -> x509.IPAddress:
    address = ip_address(text)
    if address.is_unspecified or address.is_multicast or getattr(address, "scope_id", None):
        raise InvalidInput(
            f"{text} is no address that a client connects to",
            hint="name the address or host name that clients use",
        )
    return x509.IPAddress(address)


def _host(text: str, *, single_label: bool) -> str:
    labels = text.split(".")
    # RFC 1035 s.2.3.4: 255 octets on the wire, which are 253 characters. A last label of digits is an IPv4 address.
    if len(text) > 253 or not all(_LABEL.fullmatch(label) for label in labels) or labels[-1].isdigit():
        raise InvalidInput(
            f"{text!r} is neither an IP address nor a host name; wildcards, underscores and ports are refused",
            hint="give a name such as redis.example.net, or an address such as 192.0.2.10",
        )
    if len(labels) == 1 and not single_label:
        raise InvalidInput(
            f"{text} has no dot: names like this are for development only",
            hint="use the full name or an IP address, or give --dev for a development PKI",
        )
    if text == DOMAIN or text.endswith(f".{DOMAIN}"):
        raise InvalidInput(f"{text}: names under {DOMAIN} are identities and are given by role and name only")
    return text
