"""The facts of a certificate that an operator looks for. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID

from pki import ledger, names

_USES = {
    ExtendedKeyUsageOID.SERVER_AUTH: "server (serverAuth)",
    ExtendedKeyUsageOID.CLIENT_AUTH: "client (clientAuth)",
}


@dataclass(frozen=True)
class Line:
    """One fact: what it is called, and what it is."""

    name: str
    value: str


def describe(certificate: x509.Certificate, now: datetime) -> Iterator[Line]:
    """A certificate on one screen."""
    identity = names.identity_of(certificate)
    yield Line("subject", certificate.subject.rfc4514_string() or "(empty)")
    if identity:
        yield Line("identity", f"{identity} ({identity.dns})")
    yield Line("use", _use(certificate))
    yield Line("names", ", ".join(map(names.san_text, names.sans_of(certificate))) or "none")
    yield Line("issuer", certificate.issuer.rfc4514_string() or "(empty)")
    yield Line("valid from", f"{certificate.not_valid_before_utc:%Y-%m-%d %H:%M:%S} UTC")
    yield Line("valid until", f"{certificate.not_valid_after_utc:%Y-%m-%d %H:%M:%S} UTC ({_left(certificate, now)})")
    yield Line("key", _key(certificate.public_key()))
    yield Line("serial", ledger.serial_text(certificate.serial_number))
    yield Line("sha256", certificate.fingerprint(hashes.SHA256()).hex(":").upper())


def state(certificate: x509.Certificate, now: datetime, *, revoked: bool) -> str:
    """Its state: valid, revoked, expired, not yet valid.

    Args:
        certificate: any certificate.
        now: the time to judge at.
        revoked: whether it was revoked, by the ledger or a CRL.
    """
    if revoked:
        return "revoked"
    if now < certificate.not_valid_before_utc:
        return "not yet valid"
    return "expired" if now >= certificate.not_valid_after_utc else "valid"


def _use(certificate: x509.Certificate) -> str:
    extensions = {type(extension.value): extension.value for extension in certificate.extensions}
    basic, usage = extensions.get(x509.BasicConstraints), extensions.get(x509.ExtendedKeyUsage)
    if isinstance(basic, x509.BasicConstraints) and basic.ca:
        return "certificate authority"
    if isinstance(usage, x509.ExtendedKeyUsage):
        return ", ".join(_USES.get(oid, oid.dotted_string) for oid in usage)
    return "any: it has no extended key usage"


def _left(certificate: x509.Certificate, now: datetime) -> str:
    days = (certificate.not_valid_after_utc - now).days
    return f"{days} days left" if days >= 0 else f"expired {-days} days ago"


def _key(key: CertificatePublicKeyTypes) -> str:
    if isinstance(key, ec.EllipticCurvePublicKey):
        return f"EC {key.curve.name}"
    return f"RSA {key.key_size} bits" if isinstance(key, rsa.RSAPublicKey) else type(key).__name__
