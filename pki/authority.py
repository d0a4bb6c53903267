"""The certificate authority: a certificate and its key, and what they sign."""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

from pki import crl, profile
from pki.errors import Refused
from pki.keys import PrivateKey
from pki.ledger import Record
from pki.names import Identity, San


@dataclass(frozen=True)
class Authority:
    """One generation of the CA, able to sign."""

    certificate: x509.Certificate
    key: PrivateKey

    @classmethod
    def new(cls, days: int, now: datetime) -> "Authority":
        """A fresh generation, with a key of its own."""
        key = profile.new_key()
        return cls(profile.authority(key.public_key(), days, now).sign(key, hashes.SHA256()), key)

    @cached_property
    def key_id(self) -> str:
        """Its subject key identifier, hexadecimal: how certificates say who signed them."""
        return key_id(self.certificate)

    def certify(
        self, identity: Identity, sans: tuple[San, ...], key: CertificatePublicKeyTypes, days: float, now: datetime
    ) -> x509.Certificate:
        """A certificate for a public key.

        Raises:
            Refused: this CA cannot sign now.
        """
        self._check_time(now)
        unsigned = profile.leaf(identity, sans, key, issuer=self.certificate, days=days, now=now)
        return unsigned.sign(self.key, hashes.SHA256())

    def crl(self, record: Record, days: float, now: datetime) -> x509.CertificateRevocationList:
        """The list of what this CA has revoked.

        Raises:
            Refused: this CA cannot sign now.
        """
        self._check_time(now)
        return crl.unsigned(self.certificate, record, days, now).sign(self.key, hashes.SHA256())

    def _check_time(self, now: datetime) -> None:
        start, end = self.certificate.not_valid_before_utc, self.certificate.not_valid_after_utc
        if now < start:
            raise Refused(
                f"this machine's clock says {now:%Y-%m-%d %H:%M} UTC, before the CA became valid"
                f" ({start:%Y-%m-%d %H:%M} UTC)",
                hint="set the clock (timedatectl), then run this again",
            )
        if now >= end:
            raise Refused(
                f"the CA has expired on {end:%Y-%m-%d}; nothing that it signs is accepted any more",
                hint="bringup pki setup --force, which makes a new CA and new certificates for all",
            )


def key_id(certificate: x509.Certificate) -> str:
    """The subject key identifier of a CA, hexadecimal; empty if it has none."""
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest.hex()
    except (x509.ExtensionNotFound, ValueError):
        return ""


def signer_of(certificate: x509.Certificate, authorities: tuple[x509.Certificate, ...]) -> x509.Certificate | None:
    """Which of some CAs signed a certificate: by its signature, for a name proves nothing."""
    return next((authority for authority in authorities if _signed(certificate, authority)), None)


def _signed(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except Exception:  # noqa: BLE001 - a foreign key type raises what it likes, and each means no
        return False
    return True
