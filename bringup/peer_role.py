"""The role in a certificate, and a client's socket that speaks to a server of one role alone.

Every server of ours has a certificate of the same CA: without this, what listens on the port of Redis with the API's
certificate would be sent the password of Redis.
"""

import re
import ssl
from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from typing import Any, TypeVar

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier

_Extension = TypeVar("_Extension", bound=x509.ExtensionType)

_IDENTITY = re.compile(r"([a-z0-9-]+\.([a-z]+))\.bringup\.internal")


class ServerRole(StrEnum):
    """What a client connects to. Every server of ours has a certificate of the same CA, and only one is meant."""

    REDIS = "redis"
    API = "api"


def roles_of(certificate: Mapping[str, Any] | None) -> frozenset[str]:
    """The roles in a verified certificate: ``NAME.ROLE.bringup.internal`` among its DNS names.

    Args:
        certificate: as `ssl.SSLSocket.getpeercert` returns it.
    """
    return frozenset(identity.rpartition(".")[2] for identity in identities_of(certificate))


def identities_of(certificate: Mapping[str, Any] | None) -> frozenset[str]:
    """The identities in a verified certificate, such as ``alice.operator``."""
    names = (value for kind, value in (certificate or {}).get("subjectAltName", ()) if kind == "DNS")
    return frozenset(match[1] for name in names if (match := _IDENTITY.fullmatch(name)))


def defect_of(certificate: bytes, purpose: ObjectIdentifier) -> str | None:
    """Why a verified certificate of our CA must be refused all the same; None: nothing is wrong with it.

    OpenSSL accepts a leaf without an extended key usage for everything, and one that is a CA itself. Our PKI makes
    neither; a certificate that another tool made with our CA's key may be one.

    Args:
        certificate: DER.
        purpose: the one extended key usage that it must have.
    """
    parsed = x509.load_der_x509_certificate(certificate)
    try:
        basic = _extension(parsed, x509.BasicConstraints)
        usage = _extension(parsed, x509.ExtendedKeyUsage)
    except ValueError:
        return "it cannot be read"
    if basic is not None and basic.ca:
        return "it is a CA (CA:TRUE)"
    if usage is None:
        return "it has no extended key usage"
    return None if list(usage) == [purpose] else "its extended key usage is of another purpose, or of several"


def _extension(certificate: x509.Certificate, kind: type[_Extension]) -> _Extension | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


@cache
def socket_to(role: ServerRole) -> type[ssl.SSLSocket]:
    """A socket whose handshake fails unless the server has ``role``: nothing was sent by then but our certificate.

    Made when it is needed: in the processes of the API the class of sockets is gevent's.
    """

    class RoleCheckingSocket(ssl.SSLSocket):
        def do_handshake(self, *args: Any, **kwargs: Any) -> None:
            super().do_handshake(*args, **kwargs)
            found, presented = roles_of(self.getpeercert()), self.getpeercert(binary_form=True)
            if found != {role}:
                raise _wrong_role(found, role)
            if presented and (defect := defect_of(presented, ExtendedKeyUsageOID.SERVER_AUTH)):
                raise _refused(f"{defect}; run `bringup pki verify` on the CA's host")

    return RoleCheckingSocket


def _wrong_role(found: frozenset[str], wanted: ServerRole) -> ssl.SSLCertVerificationError:
    shown = f"is of role {', '.join(sorted(found))}" if found else "is of no role"
    setting = "REDIS_HOST and REDIS_PORT" if wanted is ServerRole.REDIS else "CALLBACK_API_URL"
    return _refused(f"its certificate {shown}, and {wanted} is expected; check {setting}")


def _refused(message: str) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, message)
    error.verify_message = message
    return error
