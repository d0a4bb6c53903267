"""Whether the certificate of an open connection would still be accepted: TLS itself asks only once, at the handshake.

Source: RFC 5280 s.6.1.3 (validity, revocation, signature). No intermediate CA is looked for: a client of one has to
connect anew when the files change, and TLS then judges all that it sends.
"""

import contextlib
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from bringup.model import utc_now


class PeerTrust:
    """Judges certificates by the CA and revocation list that TLS uses now.

    Args:
        context: the TLS context in force; it is another one whenever one of the files has changed.
    """

    def __init__(self, ca: Path, crl: Path, context: Callable[[], object]) -> None:
        self._ca = ca
        self._crl = crl
        self._context = context
        self._judged_by: object = context()

    def judge_again(self) -> None:
        """A connection was made by files that are in force no longer, and may have been judged by none."""
        self._judged_by = None

    def refused(self, certificates: set[x509.Certificate]) -> dict[x509.Certificate, str]:
        """Which of these are accepted no longer, and why. Only a change of the files makes it read them."""
        now = utc_now()
        refused = {one: "it has expired" for one in certificates if has_ended(one, now)}
        context = self._context()
        if context is not self._judged_by:
            with contextlib.suppress(OSError, ValueError):  # a file is being replaced: the next call judges
                refused |= self._judged(certificates - refused.keys())
                self._judged_by = context
        return refused

    def _judged(self, certificates: set[x509.Certificate]) -> dict[x509.Certificate, str]:
        authorities = x509.load_pem_x509_certificates(self._ca.read_bytes())
        lists = _revocation_lists(self._crl)
        reasons = {one: _reason(one, authorities, lists) for one in certificates}
        return {one: reason for one, reason in reasons.items() if reason}


def has_ended(certificate: x509.Certificate, now: datetime) -> bool:
    """It is valid no longer. A resumed TLS session says nothing about this."""
    return certificate.not_valid_after_utc < now


def _revocation_lists(path: Path) -> list[x509.CertificateRevocationList]:
    """Those in the file, one for each generation of the CA; none without a file."""
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return []
    end = b"-----END X509 CRL-----"
    return [x509.load_pem_x509_crl(part + end) for part in text.split(end)[:-1]]


def _reason(
    certificate: x509.Certificate, authorities: list[x509.Certificate], lists: list[x509.CertificateRevocationList]
) -> str:
    if not any(_signed(authority, certificate) for authority in authorities):
        return "its CA is trusted no longer"
    for known in lists:
        if known.issuer == certificate.issuer and known.get_revoked_certificate_by_serial_number(
            certificate.serial_number
        ):
            return "it is revoked"
    return ""


def _signed(authority: x509.Certificate, certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True
