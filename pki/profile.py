"""What every certificate of this PKI looks like: the one place that decides its fields. Pure.

Source: RFC 5280 s.4.1 and s.4.2; DNS names and addresses only, one key usage, one extended key usage.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from pki.names import Identity, Role, San, unique

# How long before now the CA and the API's certificate become valid. Machines boot with clocks in local time, which is
# up to 12 hours behind UTC, and meet these two first; the rest is a margin.
EARLY_BACKDATE = timedelta(hours=24)

# The same for all others, whose peers keep their clocks by NTP: the largest difference that is not a fault.
BACKDATE = timedelta(minutes=5)


@dataclass(frozen=True)
class Validity:
    """How long certificates and CRLs are valid, in days from now."""

    leaf_days: float = 3650  # `bringup pki renew` replaces a certificate long before, if its timer runs
    ca_days: int = 3650
    crl_days: float = 7  # a stolen key works for a week at most where an old list is played back


def new_key() -> ec.EllipticCurvePrivateKey:
    """A fresh P-256 key."""
    return ec.generate_private_key(ec.SECP256R1())


def purpose(role: Role) -> ObjectIdentifier:
    """The one extended key usage of a role."""
    return ExtendedKeyUsageOID.SERVER_AUTH if role.is_server else ExtendedKeyUsageOID.CLIENT_AUTH


def authority(key: CertificatePublicKeyTypes, days: int, now: datetime) -> x509.CertificateBuilder:
    """A self-signed CA that may sign leaves only.

    Args:
        key: its public key.
        days: how long it is valid.
        now: the time that it is made at.

    Its name holds a part of its key's digest: a verifier cannot distinguish two generations with one name.
    Source: RFC 5280 s.4.2.1.9 (pathLenConstraint), s.4.2.1.1 (the AKI of a self-signed CA is its own SKI).
    """
    ski = x509.SubjectKeyIdentifier.from_public_key(key)
    name = _name(f"bringup CA {ski.digest.hex()[:12]}")
    return (
        _builder(name, name, key, now - EARLY_BACKDATE, now + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(key_usage(key_cert_sign=True, crl_sign=True), critical=True)
        .add_extension(ski, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(ski), critical=False)
    )


def leaf(
    identity: Identity,
    sans: tuple[San, ...],
    key: CertificatePublicKeyTypes,
    *,
    issuer: x509.Certificate,
    days: float,
    now: datetime,
) -> x509.CertificateBuilder:
    """A certificate for one identity in one role, which ends no later than its issuer.

    Args:
        identity: the holder; its role decides the extended key usage.
        sans: more names and addresses.
        key: the holder's public key.
        issuer: the CA.
        days: how long it is valid.
        now: the time that it is issued at.

    Source: RFC 5280 s.4.2.1.3 (an ECDHE key only signs), s.4.2.1.12 (one purpose).
    """
    start, end = _period(identity.role, issuer, days, now)
    ski = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    names = unique((x509.DNSName(identity.dns), *sans))
    return (
        _builder(_name(identity.dns), issuer.subject, key, start, end)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(key_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose(identity.role)]), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(ski), critical=False)
    )


def voucher(authority: x509.Certificate, *, issuer: x509.Certificate) -> x509.CertificateBuilder:
    """One CA's certificate for the key of another: who trusts the issuer may trust the other.

    Args:
        authority: the CA that is vouched for.
        issuer: the CA that vouches.

    Source: RFC 4210 s.4.4 (NewWithOld, OldWithNew), which RFC 7030 s.4.1.3 lets an EST server hand out.
    """
    ski = authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    aki = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    start = max(authority.not_valid_before_utc, issuer.not_valid_before_utc)
    end = min(authority.not_valid_after_utc, issuer.not_valid_after_utc)
    return (
        _builder(authority.subject, issuer.subject, authority.public_key(), start, end)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(key_usage(key_cert_sign=True, crl_sign=True), critical=True)
        .add_extension(ski, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(aki), critical=False)
    )


def key_usage(*, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False) -> x509.KeyUsage:
    """A KeyUsage of these bits and no others.

    Args:
        digital_signature: it signs handshakes.
        key_cert_sign: it signs certificates.
        crl_sign: it signs CRLs.
    """
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )


def backdate(role: Role) -> timedelta:
    """How long before it is issued a certificate of a role becomes valid."""
    return EARLY_BACKDATE if role in {Role.API, Role.IMAGES} else BACKDATE


def _period(role: Role, issuer: x509.Certificate, days: float, now: datetime) -> tuple[datetime, datetime]:
    start = max(now - backdate(role), issuer.not_valid_before_utc)
    return start, min(now + timedelta(days=days), issuer.not_valid_after_utc)


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: CertificatePublicKeyTypes, start: datetime, end: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
    )
