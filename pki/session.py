"""A key ceremony: one locked sitting at the CA, whose results appear all together or not at all."""

from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

from pki import profile
from pki.authority import Authority, key_id
from pki.errors import CaKeyLocked, Damaged, Refused
from pki.files import read
from pki.journal import Change, Step
from pki.keys import Passphrase, PrivateKey, fits, is_encrypted, key_pem, pem, read_key
from pki.ledger import Entry, Record
from pki.names import Identity, San
from pki.profile import Validity
from pki.rollover_state import RolloverState
from pki.store import Store


class Ceremony:
    """Signs, revokes and publishes under the lock; nothing is on the disk before `commit`.

    Made by `pki.opening.ceremony`.
    """

    def __init__(self, store: Store, now: datetime, validity: Validity, passphrase: Passphrase, step: Step) -> None:
        self.store = store
        self.now = now.replace(microsecond=0)
        self.validity = validity
        self.rollover = RolloverState.read(store.state)
        self._passphrase = passphrase
        self._change = Change(store.root, store.state, step=step)
        self._record: Record | None = None
        self._signer: Authority | None = None
        self._other: Authority | None = None
        self._trusted: tuple[x509.Certificate, ...] | None = None

    @property
    def record(self) -> Record:
        """Everything issued, this ceremony's certificates included. Raises Damaged."""
        if self._record is None:
            self._record = self.store.record()
        return self._record

    @record.setter
    def record(self, record: Record) -> None:
        self._record = record
        self._change.put(self.store.record_file, record.to_json(), secret=True)

    @property
    def authority(self) -> Authority:
        """The CA that signs now.

        Raises:
            NotSetUp: there is none.
            Damaged: its key is missing or does not fit.
            CaKeyLocked: its key is encrypted and the passphrase is not here.
        """
        if self._signer is None:
            self._signer = self._stored_authority()
        return self._signer

    @property
    def trusted(self) -> tuple[x509.Certificate, ...]:
        """The CAs that everybody trusts. Raises NotSetUp, Damaged."""
        return self._trusted or self.store.authorities()

    def trust(self, *authorities: x509.Certificate) -> None:
        """Let everybody trust these CAs and no other."""
        self._trusted = authorities
        self._change.put(self.store.ca_certificate, pem(*authorities))

    @property
    def other(self) -> Authority | None:
        """While a rollover lasts: the CA that does not sign yet, or no more. Raises as `authority` does."""
        if self._other is None and self.rollover.stage is not None:
            self._other = self._authority(self.rollover.key_file)
        return self._other

    def issue(self, identity: Identity, sans: tuple[San, ...]) -> x509.Certificate:
        """A new key, and a certificate for it."""
        key = profile.new_key()
        self._put_key(self.store.files(identity).key, key)
        return self.certify(identity, sans, key.public_key())

    def certify(self, identity: Identity, sans: tuple[San, ...], key: CertificatePublicKeyTypes) -> x509.Certificate:
        """A certificate for a key, and its files. Raises as `sign` does."""
        certificate = self.sign(identity, sans, key)
        files = self.store.files(identity)
        self._change.put(files.certificate, pem(certificate))
        self._change.put(files.bundle, pem(certificate, self.authority.certificate))
        return certificate

    def sign(self, identity: Identity, sans: tuple[San, ...], key: CertificatePublicKeyTypes) -> x509.Certificate:
        """A certificate for a key, on record and nowhere else.

        Raises:
            Refused: the key was revoked, or the CA cannot sign now.
        """
        if self.record.has_revoked_key(key):
            raise Refused(
                f"a certificate of the same key was revoked; the key of {identity} is never certified again",
                hint="make a new key",
            )
        certificate = self.authority.certify(identity, sans, key, self.validity.leaf_days, self.now)
        self.record = self.record.with_issued(certificate, self.now)
        return certificate

    def revoke(self, entry: Entry, reason: str) -> None:
        """Put a certificate on record as revoked; `publish_crl` tells the others."""
        self.record = self.record.with_revoked(entry.serial, reason, self.now)

    def publish_crl(self) -> None:
        """Sign a new CRL for every CA that is trusted."""
        record = Record(self.record.entries, self.record.crl_number + 1)
        lists = [one.crl(record, self.validity.crl_days, self.now) for one in self._publishers()]
        self.record = record
        self._change.put(self.store.ca_crl, pem(*lists))

    def install(self, signer: Authority, *, other: Authority | None = None, passphrase: str | None = None) -> None:
        """Let this CA sign from now on; who is trusted is a matter of its own.

        Args:
            other: the second CA of a rollover.
            passphrase: what their keys are encrypted with.
        """
        if signer is not self._signer:
            self._put_key(self.store.ca_key, signer.key, passphrase)
        if other:
            self._put_key(self.rollover.key_file, other.key, passphrase)
        elif self.rollover.key_file.exists():
            self.drop(self.rollover.key_file)
            self.rollover = RolloverState(self.rollover.folder)
        self._signer, self._other = signer, other

    def ca_passphrase(self) -> str | None:
        """What to encrypt the next CA key with: None if the present one is not. Raises CaKeyLocked."""
        path = self.store.ca_key
        if not path.exists() or not is_encrypted(read(path)):
            return None
        if word := self._passphrase():
            return word
        raise CaKeyLocked(f"{path} is encrypted, and the next key must be too", hint="set CA_KEY_PASSPHRASE")

    def drop(self, path: Path) -> None:
        """Remove a file when everything else is in its place."""
        self._change.drop(path)

    def put(self, path: Path, data: bytes, *, secret: bool = False) -> None:
        """Any other file of the PKI."""
        self._change.put(path, data, secret=secret)

    def commit(self, *, keep_replaced: bool = False) -> Path | None:
        """Make it all appear.

        Args:
            keep_replaced: copy what is replaced aside; the folder is returned.

        Raises:
            Unwritable: nothing was changed.
        """
        aside = self._change.keep_aside(self.now) if keep_replaced else None
        self._change.commit()
        return aside

    def _publishers(self) -> list[Authority]:
        """An expired CA cannot sign a list, and nobody needs it: its certificates have ended with it."""
        other = self.other
        alive = other is not None and other.certificate.not_valid_after_utc > self.now
        return [self.authority, other] if other and alive else [self.authority]

    def _put_key(self, path: Path, key: PrivateKey, passphrase: str | None = None) -> None:
        self._change.put(path, key_pem(key, passphrase), secret=True)

    def _stored_authority(self) -> Authority:
        path = self.store.ca_key
        if self.trusted and not path.exists():
            raise Damaged(
                f"{path} is not here: nothing can be signed without the CA key",
                hint="bring it back from where it is kept; if it is lost: docs/PKI.md, 'A lost CA key'",
            )
        return self._authority(path)

    def _authority(self, key_file: Path) -> Authority:
        key = read_key(key_file, self._passphrase)
        certificate = next((one for one in self.trusted if fits(key, one)), None)
        if certificate is None:
            raise Damaged(
                f"{key_file} does not fit {self.store.ca_certificate}: they are of different generations",
                hint="restore both from one backup, or make a new generation: bringup pki setup --force",
            )
        if not key_id(certificate):
            raise Damaged(
                f"the CA in {self.store.ca_certificate} has no subject key identifier, so no leaf can name it",
                hint="bringup pki setup --force",
            )
        return Authority(certificate, key)
