"""What an enrolled host has in its folder: read, and replaced whole or not at all."""

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from bringup.errors import SettingsError
from bringup.settings import Settings, load, pki_rules
from bringup.wire.site import HeldCertificate, HostReport, Joining
from bringup_cli.site import bundle, join, layout, registry
from pki import authority, errors, names
from pki.files import exclusive_lock, make_directory, read
from pki.journal import Journal
from pki.store import Files, read_certificates

# In the folder: keys whose certificates are asked for. Private.
_PENDING = ".renew"
# Seconds: a join of this host may be at work.
_WAIT_S = 30


@dataclass(frozen=True)
class HostFolder:
    """The folder that a host has joined into."""

    folder: Path
    manifest: bundle.Manifest

    @classmethod
    def read(cls, folder: Path) -> "HostFolder":
        """What was joined here. Raises SettingsError."""
        try:
            return cls(folder, bundle.Manifest.model_validate_json(read(folder / bundle.MANIFEST)))
        except (errors.PkiError, ValueError):
            raise SettingsError(
                [f"{folder}: no host has joined a site here; run `bringup site join FILE`, or name its folder"]
            ) from None

    @property
    def ca(self) -> Path:
        """The CAs that are trusted here."""
        return self.folder / bundle.CA

    @property
    def crl(self) -> Path:
        """The revocation lists."""
        return self.folder / bundle.CRL

    @property
    def itself(self) -> names.Identity:
        """The identity of the host."""
        return names.Identity(names.Role.HOST, self.manifest.host)

    @property
    def identities(self) -> tuple[names.Identity, ...]:
        """Those of its services, and its own."""
        return join.identities(self.manifest)

    def files(self, identity: names.Identity) -> Files:
        """Where the files of an identity are."""
        found = bundle.files_of(identity)
        return Files(*(self.folder / path for path in (found.certificate, found.key, found.bundle)))

    def settings(self, role: registry.HostRole | None = None) -> Settings:
        """Those of one of its services, as seen with the certificate of the host. Raises SettingsError."""
        found = load({}, self.folder / bundle.env_file(role or self.manifest.roles[0]), rules=pki_rules).settings
        own = self.files(self.itself)
        certificate = {f"{name}_cert": own.certificate for name in ("api_client", "redis_tls")}
        key = {f"{name}_key": own.key for name in ("api_client", "redis_tls")}
        return found.model_copy(update={**certificate, **key, "api_tls_ca": self.ca})

    def anchors(self) -> list[x509.Certificate]:
        """The CAs that are trusted here. Raises Damaged."""
        return read_certificates(self.ca)

    def certificate(self, identity: names.Identity) -> x509.Certificate:
        """The present one of an identity. Raises Damaged."""
        return read_certificates(self.files(identity).certificate)[0]

    def replace(self, files: Mapping[Path, bytes]) -> None:
        """Replace files in one change, which a kill at any point leaves done or not begun. Raises PkiError."""
        state = self.folder / join.STATE
        with exclusive_lock(state / "lock", "bringup site renew", wait_s=_WAIT_S):
            join.recover(self.folder)
            journal = Journal(self.folder, state)
            for path, data in files.items():
                journal.put(path, data, secret=path.name.endswith("-key.pem"))
            journal.commit()

    def recover(self) -> None:
        """Finish what a killed command had decided. Raises PkiError."""
        state = self.folder / join.STATE
        with exclusive_lock(state / "lock", "bringup site renew", wait_s=_WAIT_S):
            join.recover(self.folder)

    def pending(self, identity: names.Identity) -> Path:
        """Where the next key of an identity is until its certificate is here."""
        folder = self.folder / _PENDING
        make_directory(folder, private=True)
        return folder / f"{identity.role}-next-key.pem"

    def lock(self) -> Path:
        """Held for one pass: of two at once each would ask with a key of its own."""
        return self.pending(self.itself).with_name("lock")

    def report(self) -> HostReport:
        """What the host has now. Raises Damaged: it cannot be read."""
        found = {identity.dns: _held(self.certificate(identity)) for identity in self.identities}
        digests = [hashlib.sha256(one.public_bytes(Encoding.DER)).hexdigest() for one in self.anchors()]
        return HostReport(anchors=tuple(digests), certificates=found, join=self._joining())

    def _joining(self) -> Joining | None:
        """None: an older version has joined."""
        path = join.join_id(self.folder)
        return Joining(id=read(path).decode(), bundle_made_at=self.manifest.made_at) if path.exists() else None

    def with_certificate(
        self, identity: names.Identity, certificate: x509.Certificate, issuer: x509.Certificate
    ) -> dict[Path, bytes]:
        """The new files of an identity, whose key is the pending one.

        Args:
            identity: the holder.
            certificate: as the CA has signed it.
            issuer: the CA.

        Raises:
            Damaged: the key does not fit.
        """
        key, files = self.pending(identity), self.files(identity)
        if not authority.fits(authority.read_key(key), certificate):
            raise errors.Damaged(f"{identity.dns}: the certificate that was sent is not for the key that was made here")
        found = {files.certificate: authority.pem(certificate), files.key: read(key)}
        if identity == self.itself:
            for copy in sorted((self.folder / layout.CLIENTS).glob("*-key.pem")):
                found |= {copy: read(key), copy.with_name(copy.name.replace("-key", "-cert")): found[files.certificate]}
        return found | ({files.bundle: authority.pem(certificate, issuer)} if identity.role.is_server else {})


def issuer_id(certificate: x509.Certificate) -> str:
    """The key identifier of the CA that has signed it, hexadecimal; empty if it names none."""
    with suppress(x509.ExtensionNotFound):
        found = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
        return (found or b"").hex()
    return ""


def _held(certificate: x509.Certificate) -> HeldCertificate:
    serial, end = f"{certificate.serial_number:X}", certificate.not_valid_after_utc
    return HeldCertificate(serial=serial, issuer=issuer_id(certificate) or "00", ends=end)
