"""Certificates that every server must refuse, each wrong in one respect, made for one run in a temporary folder.

One is signed by a CA that has the name of ours and another key: it can be made anywhere. The others need the key of
our real CA: expired, not yet valid, for the wrong purpose, revoked. The folder is deleted with all keys in it.
"""

import tempfile
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier

from bringup.errors import BringupError
from pki import authority, errors, names, profile
from pki.names import Identity as PkiIdentity
from pki.store import Store, read_certificates

# A bad certificate that leaked is good for nothing: its valid time, if it has any, is short.
_DAY, _MINUTES = timedelta(days=1), timedelta(minutes=5)


class NoCaKey(BringupError):
    """The CA key is not on this host, or locked; the message names which."""


class BadCertificates:
    """Makes pairs of certificate and key, in a folder that `close` deletes.

    Args:
        store: the PKI directory.
        passphrase: of the CA key, if it is encrypted.
    """

    def __init__(self, store: Store, passphrase: str | None = None) -> None:
        self._store = store
        self._passphrase = passphrase
        self._folder = tempfile.TemporaryDirectory(prefix="bringup-selftest-")
        self._key = profile.new_key()

    def close(self) -> None:
        """Delete the folder."""
        self._folder.cleanup()

    def foreign(self) -> tuple[Path, Path]:
        """Signed by a CA that has the name of ours, and another key."""
        ours, ca_key = self._our_ca[0], profile.new_key()
        ski = x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key())
        ca = (
            x509.CertificateBuilder()
            .subject_name(ours.subject)
            .issuer_name(ours.subject)
            .public_key(ca_key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(ours.not_valid_before_utc)
            .not_valid_after(ours.not_valid_after_utc)
            .add_extension(ski, critical=False)
            .sign(ca_key, hashes.SHA256())
        )
        return self._write("foreign", self._worker(ca).sign(ca_key, hashes.SHA256()))

    def expired(self) -> tuple[Path, Path]:
        """Ended an hour ago. Raises NoCaKey."""
        now = datetime.now(UTC)
        return self._by_our_ca("expired", start=now - _DAY, end=now - _DAY / 24)

    def not_yet_valid(self) -> tuple[Path, Path]:
        """Begins tomorrow. Raises NoCaKey."""
        now = datetime.now(UTC)
        return self._by_our_ca("not-yet", start=now + _DAY, end=now + 2 * _DAY)

    def wrong_purpose(self) -> tuple[Path, Path]:
        """A server's certificate, presented by a client. Raises NoCaKey."""
        return self._by_our_ca("purpose", purpose=ExtendedKeyUsageOID.SERVER_AUTH)

    def revoked(self, serial: int) -> tuple[Path, Path]:
        """Has a serial number that the CRL lists. Raises NoCaKey."""
        return self._by_our_ca("revoked", serial=serial)

    def operator(self) -> tuple[Path, Path]:
        """A good one of an operator: it is refused only what a worker may do. Raises NoCaKey."""
        return self._by_our_ca("operator", role=names.Role.OPERATOR)

    @cached_property
    def _our_ca(self) -> tuple[x509.Certificate, ...]:
        return tuple(read_certificates(self._store.ca_certificate))

    @cached_property
    def _our_ca_key(self) -> ec.EllipticCurvePrivateKey:
        if not self._store.ca_key.exists():
            raise NoCaKey(f"{self._store.ca_key} is not on this host")
        try:
            key = authority.read_key(self._store.ca_key, lambda: self._passphrase)
        except errors.PkiError as error:
            raise NoCaKey(str(error)) from None
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise NoCaKey(f"{self._store.ca_key} is not an EC key")
        return key

    def _by_our_ca(self, name: str, **faults: Any) -> tuple[Path, Path]:
        builder = self._worker(self._our_ca[0], **faults)
        return self._write(name, builder.sign(self._our_ca_key, hashes.SHA256()))

    def _worker(
        self,
        issuer: x509.Certificate,
        *,
        purpose: ObjectIdentifier = ExtendedKeyUsageOID.CLIENT_AUTH,
        start: datetime | None = None,
        end: datetime | None = None,
        serial: int | None = None,
        role: names.Role = names.Role.WORKER,
    ) -> x509.CertificateBuilder:
        """A good certificate of a worker except in the respect that is asked for; it is valid for minutes."""
        now, key = datetime.now(UTC), self._key.public_key()
        identity = PkiIdentity(role, "selftest")
        ski = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        return (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, identity.dns)]))
            .issuer_name(issuer.subject)
            .public_key(key)
            .serial_number(serial or x509.random_serial_number())
            .not_valid_before(start or now - _MINUTES)
            .not_valid_after(end or now + _MINUTES)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(profile.key_usage(digital_signature=True), critical=True)
            .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(identity.dns)]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(ski), critical=False)
        )

    def _write(self, name: str, certificate: x509.Certificate) -> tuple[Path, Path]:
        folder = Path(self._folder.name)  # 0700
        cert, key = folder / f"{name}.pem", folder / f"{name}-key.pem"
        cert.write_bytes(authority.pem(certificate))
        key.touch(mode=0o600)
        key.write_bytes(authority.key_pem(self._key))
        return cert, key
