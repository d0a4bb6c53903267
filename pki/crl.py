"""Certificate revocation lists.

Source: RFC 5280 s.5.1, s.5.2.1 (AKI), s.5.2.3 (CRL number), s.5.3.1 (reason codes).
"""

import re
from datetime import datetime, timedelta

from cryptography import x509

from pki.errors import Damaged
from pki.ledger import Entry, Record
from pki.profile import EARLY_BACKDATE

# Without those that lift a revocation or that only another kind of CA may state.
REASONS = {
    "unspecified": x509.ReasonFlags.unspecified,
    "key-compromise": x509.ReasonFlags.key_compromise,
    "affiliation-changed": x509.ReasonFlags.affiliation_changed,
    "superseded": x509.ReasonFlags.superseded,
    "cessation-of-operation": x509.ReasonFlags.cessation_of_operation,
}
_PEM = re.compile(rb"-----BEGIN X509 CRL-----.+?-----END X509 CRL-----", re.DOTALL)


def unsigned(
    issuer: x509.Certificate, record: Record, days: float, now: datetime
) -> x509.CertificateRevocationListBuilder:
    """The CRL of one CA, to be signed by it.

    It is backdated as a CA is: a server whose clock is behind its date would refuse everybody.

    Args:
        days: until it must be replaced; it never outlives its CA.
    """
    ski = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.subject)
        .last_update(max(now - EARLY_BACKDATE, issuer.not_valid_before_utc))
        .next_update(min(now + timedelta(days=days), issuer.not_valid_after_utc))
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(ski), critical=False)
        .add_extension(x509.CRLNumber(record.crl_number), critical=False)
    )
    for entry in record.revoked_by(ski.digest.hex()):
        builder = builder.add_revoked_certificate(_revoked(entry))
    return builder


def read_all(data: bytes, name: str) -> list[x509.CertificateRevocationList]:
    """Every CRL of a PEM file: during a rollover there are two.

    Raises:
        Damaged: there is none, or one cannot be read.
    """
    try:
        found = [x509.load_pem_x509_crl(block) for block in _PEM.findall(data)]
    except ValueError:
        found = []
    if not found:
        raise Damaged(f"{name} holds no readable CRL", hint="bringup pki crl")
    return found


def _revoked(entry: Entry) -> x509.RevokedCertificate:
    reason = REASONS[entry.reason or "unspecified"]
    builder = (
        x509.RevokedCertificateBuilder()
        .serial_number(int(entry.serial, 16))
        .revocation_date(entry.revoked_at or entry.issued_at)
    )
    if reason is not x509.ReasonFlags.unspecified:  # which is said by leaving it out, RFC 5280 s.5.3.1
        builder = builder.add_extension(x509.CRLReason(reason), critical=False)
    return builder.build()
