"""The certificate that a client has presented, as TLS has verified it."""

from collections.abc import Mapping
from typing import Any

from cryptography import x509
from flask import request

from api.services import services
from bringup import tls_failures


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


def details() -> Mapping[str, Any] | None:
    """As `ssl.SSLSocket.getpeercert` has it."""
    certificate: Mapping[str, Any] | None = request.environ["gunicorn.socket"].getpeercert()
    return certificate


def identity() -> str | None:
    """The identity in the client certificate, if one was shown."""
    if not services().settings.api_use_tls:
        return None
    return next(iter(tls_failures.identities_of(details())), None)


def dns_names() -> list[str]:
    """Its alternative names of type DNS."""
    return [value for kind, value in (details() or {}).get("subjectAltName", ()) if kind == "DNS"]
