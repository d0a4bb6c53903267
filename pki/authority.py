"""Private keys, and the certificate authority that signs certificates and CRLs with its own.

Source: RFC 5280 s.5.1, s.5.2.1 (AKI), s.5.2.3 (CRL number), s.5.3.1 (reason codes); RFC 5958 (PKCS #8).
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

from pki import errors, names, profile
from pki.files import read, secret_problem
from pki.ledger import REASONS, Entry, Ledger

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
Passphrase = Callable[[], str | None]


def no_passphrase() -> str | None:
    """No passphrase is available."""
    return None


@dataclass(frozen=True)
class Authority:
    """One generation of the CA, able to sign."""

    certificate: x509.Certificate
    key: PrivateKey

    @classmethod
    def new(cls, days: int, now: datetime) -> "Authority":
        """A new generation, with a key of its own, valid for ``days`` days."""
        key = profile.new_key()
        return cls(profile.authority(key.public_key(), days, now).sign(key, hashes.SHA256()), key)

    @classmethod
    def read(
        cls, key_file: Path, passphrase: Passphrase, trusted: tuple[x509.Certificate, ...], source: Path
    ) -> "Authority":
        """The generation that a key belongs to.

        Args:
            key_file: its key.
            passphrase: asked only if the key is encrypted.
            trusted: the CAs to choose from.
            source: the file that they come from, for messages.

        Raises:
            Damaged: the key is missing or fits none of them.
            CaKeyLocked: the key is encrypted, and the passphrase is missing or wrong.
        """
        key = read_key(key_file, passphrase)
        certificate = next((one for one in trusted if fits(key, one)), None)
        if certificate is None:
            raise errors.Damaged(
                f"{key_file} does not fit {source}: they are of different generations",
                hint="restore both from one backup, or make a new generation: bringup pki setup --force",
            )
        if not key_id(certificate):
            raise errors.Damaged(
                f"the CA in {source} has no subject key identifier, so no leaf can name it",
                hint="bringup pki setup --force",
            )
        return cls(certificate, key)

    @cached_property
    def key_id(self) -> str:
        """Its subject key identifier, hexadecimal: how certificates name their issuer."""
        return key_id(self.certificate)

    def certify(
        self,
        identity: names.Identity,
        sans: tuple[names.San, ...],
        key: CertificatePublicKeyTypes,
        days: float,
        now: datetime,
    ) -> x509.Certificate:
        """A certificate for a public key.

        Args:
            identity: the holder; its role decides the extended key usage.
            sans: more names and addresses; for servers only.
            key: the holder's public key.
            days: how long it is valid, at most as long as this CA.
            now: the time that it is issued at.

        Raises:
            Refused: this CA cannot sign now.
        """
        self._check_time(now)
        unsigned = profile.leaf(identity, sans, key, issuer=self.certificate, days=days, now=now)
        return unsigned.sign(self.key, hashes.SHA256())

    def crl(self, ledger: Ledger, days: float, now: datetime) -> x509.CertificateRevocationList:
        """The list of the certificates of this CA that were revoked.

        Args:
            ledger: names them, and the number of the list.
            days: until the next list must replace it; it never outlives its CA.
            now: the time that it is issued at.

        Raises:
            Refused: this CA cannot sign now.
        """
        self._check_time(now)
        ski = self.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        # Backdated as a CA is: a server whose clock is behind the list's date would refuse every client.
        start = max(now - profile.EARLY_BACKDATE, self.certificate.not_valid_before_utc)
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.certificate.subject)
            .last_update(start)
            .next_update(min(now + timedelta(days=days), self.certificate.not_valid_after_utc))
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(ski), critical=False)
            .add_extension(x509.CRLNumber(ledger.crl_number), critical=False)
        )
        for entry in ledger.revoked_by(self.key_id):
            builder = builder.add_revoked_certificate(_revoked(entry))
        return builder.sign(self.key, hashes.SHA256())

    def _check_time(self, now: datetime) -> None:
        start, end = self.certificate.not_valid_before_utc, self.certificate.not_valid_after_utc
        if now < start:
            raise errors.Refused(
                f"this machine's clock shows {now:%Y-%m-%d %H:%M} UTC, before the CA became valid"
                f" ({start:%Y-%m-%d %H:%M} UTC)",
                hint="set the clock (timedatectl), then run this again",
            )
        if now >= end:
            raise errors.Refused(
                f"the CA has expired on {end:%Y-%m-%d}; nothing that it signs is accepted any more",
                hint="bringup pki setup --force, which makes a new CA and new certificates for all",
            )


def _revoked(entry: Entry) -> x509.RevokedCertificate:
    reason = REASONS[entry.reason or "unspecified"]
    builder = (
        x509.RevokedCertificateBuilder()
        .serial_number(int(entry.serial, 16))
        .revocation_date(entry.revoked_at or entry.issued_at)
    )
    if reason is not x509.ReasonFlags.unspecified:  # which a list expresses by omitting it, RFC 5280 s.5.3.1
        builder = builder.add_extension(x509.CRLReason(reason), critical=False)
    return builder.build()


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


def read_key(path: Path, passphrase: Passphrase = no_passphrase) -> PrivateKey:
    """The private key in a file.

    Args:
        path: a PEM file that only its owner can read.
        passphrase: asked only if the key is encrypted.

    Raises:
        Damaged: it is missing, open to others, or no key that we can use.
        CaKeyLocked: it is encrypted, and the passphrase is missing or wrong.
    """
    data = read(path)
    if problem := secret_problem(path):
        raise problem
    key = _decrypted(path, data, passphrase) if is_encrypted(data) else _loaded(path, data, None)
    if not isinstance(key, (ec.EllipticCurvePrivateKey, rsa.RSAPrivateKey)):
        raise errors.Damaged(
            f"{path} holds a key that is neither EC nor RSA", hint=f"openssl pkey -in {path} -noout -text"
        )
    return key


def key_pem(key: PrivateKey, passphrase: str | None = None) -> bytes:
    """A key as PEM (PKCS #8), encrypted if there is a passphrase."""
    encrypted = serialization.BestAvailableEncryption(passphrase.encode()) if passphrase else None
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encrypted or serialization.NoEncryption()
    )


def pem(*certificates: x509.Certificate | x509.CertificateRevocationList) -> bytes:
    """Certificates or CRLs as one PEM text."""
    return b"".join(certificate.public_bytes(serialization.Encoding.PEM) for certificate in certificates)


def is_encrypted(data: bytes) -> bool:
    """Whether a PEM key is encrypted: PKCS #8 or the older form of openssl."""
    return b"BEGIN ENCRYPTED PRIVATE KEY" in data or b"Proc-Type: 4,ENCRYPTED" in data


def fits(key: PrivateKey, certificate: x509.Certificate) -> bool:
    """Whether a certificate is for this key."""
    return key.public_key() == certificate.public_key()


def _decrypted(path: Path, data: bytes, passphrase: Passphrase) -> object:
    word = passphrase()
    if not word:
        raise errors.CaKeyLocked(f"{path} is encrypted, and there is no passphrase", hint="set CA_KEY_PASSPHRASE")
    try:
        return _loaded(path, data, word)
    except errors.PkiError:
        raise errors.CaKeyLocked(
            f"{path}: the passphrase is wrong", hint="set CA_KEY_PASSPHRASE to the right one"
        ) from None


def _loaded(path: Path, data: bytes, passphrase: str | None) -> object:
    try:
        return serialization.load_pem_private_key(data, passphrase.encode() if passphrase else None)
    except Exception:  # noqa: BLE001 - ValueError, TypeError, UnsupportedAlgorithm and OpenSSL's own
        raise errors.Damaged(
            f"{path} holds no readable private key", hint=f"openssl pkey -in {path} -noout; restore it from a backup"
        ) from None
