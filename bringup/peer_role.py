"""The role in a certificate, and a client's socket that speaks to a server of one role alone.

Every server of ours has a certificate of the same CA: without this, what listens on the port of Redis with the API's
certificate would be sent the password of Redis.
"""

import ssl
from enum import StrEnum
from functools import cache
from typing import Any, TypeVar

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier

from bringup.tls_failures import check_role, refusal

_Extension = TypeVar("_Extension", bound=x509.ExtensionType)


class ServerRole(StrEnum):
    """What a client connects to. Every server of ours has a certificate of the same CA, and only one is meant."""

    REDIS = "redis"
    API = "api"


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
            check_role(self.getpeercert(), role)
            presented = self.getpeercert(binary_form=True)
            if presented and (defect := defect_of(presented, ExtendedKeyUsageOID.SERVER_AUTH)):
                raise refusal(f"it is not one of our PKI: {defect}")

    return RoleCheckingSocket
