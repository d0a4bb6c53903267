"""Certificates with one thing wrong."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from pki import profile
from pki.authority import key_pem, pem, read_key
from pki.names import Identity, Role
from pki.store import Store

_DAY = timedelta(days=1)
HERE = (x509.IPAddress(ip_address("127.0.0.1")),)
ELSEWHERE = (x509.IPAddress(ip_address("192.0.2.1")),)


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, as PEM, and the CA that it names."""

    certificate: bytes
    key: bytes
    ca: bytes

    def as_files(self, path: str) -> dict[str, bytes]:
        """All three files of an identity; ``path`` without ``-cert.pem``."""
        return {
            f"{path}-cert.pem": self.certificate,
            f"{path}-key.pem": self.key,
            f"{path}-bundle.pem": self.certificate + self.ca,
        }


@dataclass(frozen=True)
class Mint:
    """Makes certificates for one identity with our CA, or with another of the same name."""

    store: Store
    identity: Identity

    def expired(self) -> Pair:
        now = datetime.now(UTC)
        return self._pair(start=now - _DAY / 2, end=now - _DAY / 24)

    def for_another_host(self) -> Pair:
        return self._pair(sans=ELSEWHERE)

    def for_another_purpose(self) -> Pair:
        other = Role.WORKER if self.identity.role.is_server else Role.REDIS
        return self._pair(purpose=other)

    def of_a_foreign_ca(self) -> Pair:
        return self._pair(ca_key=profile.new_key())

    def on_its_last_day(self) -> Pair:
        now = datetime.now(UTC)
        return self._pair(start=now - 80 * _DAY, end=now + _DAY / 4)

    def good(self) -> Pair:
        return self._pair()

    def ending(self, end: datetime) -> Pair:
        return self._pair(end=end)

    def _pair(
        self,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        sans: Sequence[x509.GeneralName] = HERE,
        purpose: Role | None = None,
        ca_key: ec.EllipticCurvePrivateKey | None = None,
    ) -> Pair:
        signer = ca_key or read_key(self.store.ca_key)
        key, ca = profile.new_key(), self.store.authorities()[0]
        names = [x509.DNSName(self.identity.dns), *(sans if self.identity.role.is_server else ())]
        certificate = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, self.identity.dns)]))
            .issuer_name(ca.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(start or datetime.now(UTC) - _DAY / 24)
            .not_valid_after(end or datetime.now(UTC) + 100 * _DAY)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(profile.key_usage(digital_signature=True), critical=True)
            .add_extension(x509.ExtendedKeyUsage([profile.purpose(purpose or self.identity.role)]), critical=False)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
            .sign(signer, hashes.SHA256())
        )
        return Pair(pem(certificate), key_pem(key), pem(ca))
