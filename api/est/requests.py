"""What a request for renewal must be: of the same identity, by one who holds both keys. No key of a CA is here.

Source: RFC 7030 s.4.2.2 (subject and names of the request are those of the certificate that is renewed), RFC 2986.
"""

import base64
import binascii

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs7

from api.http.problems import Refusal, forbidden, malformed
from bringup.tls_failures import identities_of

# Roles that renew by EST: those of runs end with their run, and the CA's host renews its own itself.
RENEWABLE = frozenset({"host", "worker", "tailer", "console", "connector", "operator"})
# The identities of a host that it renews with its own certificate, in the place of theirs.
OF_A_HOST = frozenset({"redis", "api", "images", "worker", "tailer", "console", "web"})

# What cryptography raises, now or when a part is asked for, about a request that was made by hand.
_UNREADABLE = (
    binascii.Error,
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)


def read_request(body: bytes) -> x509.CertificateSigningRequest:
    """The request in a body of base64, signed by the key that it names. Source: RFC 8951 s.3.1 (blanks are ignored).

    Raises:
        Refusal: it is none, or its signature is bad.
    """
    try:
        request = x509.load_der_x509_csr(base64.b64decode(b"".join(body.split()), validate=True))
        valid = request.is_signature_valid
        _ = request.subject, list(request.extensions), request.public_key()  # each is parsed only when asked for
    except _UNREADABLE:
        raise malformed("the body is no certificate request (PKCS #10) in base64") from None
    if not valid:
        raise malformed("the signature of the request is bad: its sender does not hold the key")
    return request


def identity_for(request: x509.CertificateSigningRequest, presented: x509.Certificate) -> str:
    """The identity that a request renews.

    Args:
        request: as `read_request` returns it.
        presented: the client's certificate in TLS, as verified there.

    Raises:
        Refusal: the holder of that certificate must not have it renewed.
    """
    presenter = identity_in(presented)
    if presenter is None or _role(presenter) not in RENEWABLE:
        raise forbidden("the certificate that was presented cannot be renewed here")
    if _names(request) == _names(presented) and request.subject == presented.subject:
        return presenter
    wanted = identity_in(request)
    # Whether the other identity is one of this host is known to the CA, which decides.
    if _role(presenter) == "host" and wanted and wanted != presenter and _role(wanted) in OF_A_HOST:
        return wanted
    raise _changed(presenter)


def identity_in(holder: x509.Certificate | x509.CertificateSigningRequest) -> str | None:
    """The one identity among its names, such as ``w1.worker.bringup.internal``; None: none, or several."""
    names = [("DNS", name.value) for name in _names(holder) if isinstance(name, x509.DNSName)]
    found = identities_of({"subjectAltName": names})
    return f"{next(iter(found))}.bringup.internal" if len(found) == 1 else None


def certs_only(*certificates: x509.Certificate) -> bytes:
    """Certificates as EST sends them: PKCS #7 without signers, in base64. Source: RFC 7030 s.4.1.3."""
    der = pkcs7.serialize_certificates(list(certificates), serialization.Encoding.DER)
    return base64.b64encode(der)  # in one line: RFC 4648 s.3.1, and strongSwan reads no other


def _role(identity: str) -> str:
    return identity.split(".")[1]


def _changed(presenter: str) -> Refusal:
    return forbidden(
        f"subject and names of the request must be exactly those of the certificate of {presenter} that was presented"
    )


def _names(holder: x509.Certificate | x509.CertificateSigningRequest) -> frozenset[x509.GeneralName]:
    try:
        return frozenset(holder.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except (x509.ExtensionNotFound, x509.DuplicateExtension, x509.UnsupportedGeneralNameType, ValueError):
        return frozenset()
