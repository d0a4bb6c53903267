"""The certificate that a client has presented, as TLS has verified it."""

from cryptography import x509
from flask import request

from api.services import services
from bringup import certificates, tls_failures


def verified() -> x509.Certificate | None:
    """The client's certificate as TLS has verified it; None: it has presented none."""
    encoded = presented()
    return x509.load_der_x509_certificate(encoded) if encoded else None


def presented() -> bytes | None:
    """Encoded as DER; None: none was presented."""
    if not services().settings.api_use_tls:
        return None
    encoded: bytes | None = request.environ["gunicorn.socket"].getpeercert(binary_form=True)
    return encoded


def details() -> dict[str, list[tuple[str, str]]]:
    """Its alternative names of type DNS, as `ssl.SSLSocket.getpeercert` has them: that reads them anew at each call."""
    return {"subjectAltName": [("DNS", name) for name in dns_names()]}


def identity() -> str | None:
    """The identity in the client certificate, if one was shown."""
    return next(iter(tls_failures.identities_of(details())), None)


def dns_names() -> tuple[str, ...]:
    """Its alternative names of type DNS; none without a certificate."""
    encoded = presented()
    return certificates.dns_names_of(encoded) if encoded else ()
