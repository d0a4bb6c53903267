"""A session at the CA: one command at a time, whose results appear on the disk completely or not at all."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

from pki import errors, journal, names, profile
from pki.authority import Authority, Passphrase, PrivateKey, is_encrypted, key_pem, no_passphrase, pem
from pki.files import exclusive_lock, make_directory, read
from pki.ledger import Entry, Ledger
from pki.store import RolloverState, Store


class CaSession:
    """Signs, revokes and publishes under the lock; nothing is on the disk before `commit`.

    Made by `open`, with arguments as `open` takes them.
    """

    def __init__(
        self, store: Store, now: datetime, validity: profile.Validity, passphrase: Passphrase, step: journal.Step
    ) -> None:
        self.store = store
        self.now = now.replace(microsecond=0)  # certificates carry whole seconds
        self.validity = validity
        self.rollover = RolloverState.read(store.state)
        self._passphrase = passphrase
        self._journal = journal.Journal(store.root, store.state, step=step)
        self._ledger: Ledger | None = None
        self._signer: Authority | None = None
        self._other: Authority | None = None
        self._trusted: tuple[x509.Certificate, ...] | None = None

    @classmethod
    @contextmanager
    def open(
        cls,
        store: Store,
        command: str,
        now: datetime,
        *,
        validity: profile.Validity | None = None,
        passphrase: Passphrase = no_passphrase,
        init: bool = False,
        wait_s: float = 0,
        step: journal.Step = journal.no_step,
    ) -> Iterator["CaSession"]:
        """Take the lock, finish what a killed command had decided, and begin.

        Args:
            store: the PKI directory.
            command: what is done, for the message to the next command.
            now: the time that certificates are issued at.
            validity: how long they are valid; the default is the one of `Validity`.
            passphrase: asked only if the CA key is encrypted.
            init: there may be no CA yet.
            wait_s: how long to wait for another command to end, in seconds.
            step: called before each thing done to the disk.

        Raises:
            NotSetUp: there is no CA.
            Refused: the CA is trusted here, but its key is on another machine.
            Locked: another command is at work.
            Unwritable: the directory cannot be written.
        """
        if not init:
            store.check_home()
        make_directory(store.root)
        make_directory(store.state.parent)
        make_directory(store.state, private=True)
        with exclusive_lock(store.lock_file, command, wait_s=wait_s):
            journal.finish(store.root, store.state, step=step)
            own = (store.files(one).key.parent for one in names.STANDARD)
            journal.discard_staged(store.state, [store.state.parent, store.root / "issued", *own])
            yield cls(store, now, validity or profile.Validity(), passphrase, step)

    @property
    def ledger(self) -> Ledger:
        """Everything issued, in this session too. Raises Damaged."""
        if self._ledger is None:
            self._ledger = self.store.ledger()
        return self._ledger

    @ledger.setter
    def ledger(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._journal.put(self.store.ledger_file, ledger.to_json(), secret=True)

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
        """The CAs that every machine trusts. Raises NotSetUp, Damaged."""
        return self._trusted or self.store.authorities()

    def trust(self, *authorities: x509.Certificate) -> None:
        """Publish these CAs as trusted, and no other."""
        self._trusted = authorities
        self._journal.put(self.store.ca_certificate, pem(*authorities))

    @property
    def other(self) -> Authority | None:
        """During a rollover: the CA that does not sign yet, or no longer. Raises as `authority` does."""
        if self._other is None and self.rollover.stage is not None:
            self._other = self._authority(self.rollover.key_file)
        return self._other

    def issue(self, identity: names.Identity, sans: tuple[names.San, ...]) -> x509.Certificate:
        """A new key, and a certificate for it. Raises as `sign` does."""
        key = profile.new_key()
        self._put_key(self.store.files(identity).key, key)
        return self.certify(identity, sans, key.public_key())

    def certify(
        self, identity: names.Identity, sans: tuple[names.San, ...], key: CertificatePublicKeyTypes
    ) -> x509.Certificate:
        """A certificate for a key, and its files; arguments and errors as `sign`."""
        certificate = self.sign(identity, sans, key)
        files = self.store.files(identity)
        self._journal.put(files.certificate, pem(certificate))
        self._journal.put(files.bundle, pem(certificate, self.authority.certificate))
        return certificate

    def sign(
        self, identity: names.Identity, sans: tuple[names.San, ...], key: CertificatePublicKeyTypes
    ) -> x509.Certificate:
        """A certificate for a key, in the ledger and in no file.

        Args:
            identity: the holder.
            sans: more names and addresses.
            key: the holder's public key.

        Raises:
            Refused: the key was revoked, or the CA cannot sign now.
        """
        if self.ledger.has_revoked_key(key):
            raise errors.Refused(
                f"a certificate of the same key was revoked; the key of {identity} is never certified again",
                hint="make a new key",
            )
        certificate = self.authority.certify(identity, sans, key, self.validity.leaf_days, self.now)
        self.ledger = self.ledger.with_issued(certificate, self.now)
        return certificate

    def revoke(self, entry: Entry, reason: str) -> None:
        """Mark a certificate in the ledger as revoked; `publish_crl` publishes it."""
        self.ledger = self.ledger.with_revoked(entry.serial, reason, self.now)

    def publish_crl(self) -> None:
        """Sign a new CRL for every CA that is trusted.

        Raises:
            Refused: a CA cannot sign now.
        """
        ledger = Ledger(self.ledger.entries, self.ledger.crl_number + 1)
        lists = [one.crl(ledger, self.validity.crl_days, self.now) for one in self._publishers()]
        self.ledger = ledger
        self._journal.put(self.store.ca_crl, pem(*lists))

    def install(self, signer: Authority, *, other: Authority | None = None, passphrase: str | None = None) -> None:
        """Let this CA sign from now on; `trust` decides which CAs are trusted.

        Args:
            signer: the CA that signs from now on.
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
        """What to encrypt the next CA key with: None if the present one is not encrypted. Raises CaKeyLocked."""
        path = self.store.ca_key
        if not path.exists() or not is_encrypted(read(path)):
            return None
        if word := self._passphrase():
            return word
        raise errors.CaKeyLocked(f"{path} is encrypted, and the next key must be too", hint="set CA_KEY_PASSPHRASE")

    def drop(self, path: Path) -> None:
        """Remove a file at `commit`, when everything else is in its place."""
        self._journal.drop(path)

    def put(self, path: Path, data: bytes, *, secret: bool = False) -> None:
        """Write any other file of the PKI at `commit`; arguments as in `Journal`."""
        self._journal.put(path, data, secret=secret)

    def commit(self, *, backup: bool = False) -> Path | None:
        """Write everything to the disk, in one change.

        Args:
            backup: copy what is replaced first.

        Returns:
            The folder of the backup; None if there is none.

        Raises:
            Unwritable: nothing was changed.
            Damaged: a file or directory is not safe to replace; nothing was changed.
        """
        folder = self._journal.backup(self.now) if backup else None
        self._journal.commit()
        return folder

    def _publishers(self) -> list[Authority]:
        """An expired CA cannot sign a list, and needs none: its certificates have ended with it."""
        other = self.other
        alive = other is not None and other.certificate.not_valid_after_utc > self.now
        return [self.authority, other] if other and alive else [self.authority]

    def _put_key(self, path: Path, key: PrivateKey, passphrase: str | None = None) -> None:
        self._journal.put(path, key_pem(key, passphrase), secret=True)

    def _stored_authority(self) -> Authority:
        path = self.store.ca_key
        if self.trusted and not path.exists():
            raise errors.Damaged(
                f"{path} is not here: nothing can be signed without the CA key",
                hint="bring it back from where it is kept; if it is lost: docs/PKI.md, 'A lost CA key'",
            )
        return self._authority(path)

    def _authority(self, key_file: Path) -> Authority:
        return Authority.read(key_file, self._passphrase, self.trusted, self.store.ca_certificate)
