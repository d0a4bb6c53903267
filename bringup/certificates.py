"""What certificates and lists of revoked ones hold, for those who import it when they meet one.

Only this module of what all commands load needs cryptography, which takes longer to import than most commands run.
"""

from datetime import datetime
from functools import lru_cache
from typing import TypeVar

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier

_Extension = TypeVar("_Extension", bound=x509.ExtensionType)
_PEM_END = b"-----END X509 CRL-----"
# Certificates whose content is remembered, about 2 kB each: of the services, the people, and the machines that are
# validated at the same time. A connection shows the same one with each request.
_REMEMBERED = 512


def defect_of_server(certificate: bytes) -> str | None:
    """As `defect_of`, for one that a server has presented."""
    return defect_of(certificate, ExtendedKeyUsageOID.SERVER_AUTH)


@lru_cache(_REMEMBERED)
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


@lru_cache(_REMEMBERED)
def dns_names_of(certificate: bytes) -> tuple[str, ...]:
    """The alternative names of type DNS in a certificate (DER); none where it cannot be read."""
    try:
        names = _extension(x509.load_der_x509_certificate(certificate), x509.SubjectAlternativeName)
    except ValueError:
        return ()
    return tuple(names.get_values_for_type(x509.DNSName)) if names else ()


def end_of_der(certificate: bytes) -> datetime:
    """Until when a certificate is valid. Raises ValueError."""
    return x509.load_der_x509_certificate(certificate).not_valid_after_utc


def end_of_pem(certificate: bytes) -> datetime:
    """Until when a certificate is valid. Raises ValueError."""
    return x509.load_pem_x509_certificate(certificate).not_valid_after_utc


def lives_of_lists(pem: bytes) -> list[tuple[datetime, datetime]]:
    """When each list of revoked certificates (CRL) was made, and when it ends. Raises ValueError."""
    lists = [x509.load_pem_x509_crl(block + _PEM_END) for block in pem.split(_PEM_END)[:-1]]
    return [(one.last_update_utc, one.next_update_utc or one.last_update_utc) for one in lists]


def _extension(certificate: x509.Certificate, kind: type[_Extension]) -> _Extension | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
