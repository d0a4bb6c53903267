"""The ledger of everything issued: what a CA must know about its certificates after the files are gone.

One JSON file, rewritten in one change with the certificates that it names (`pki.journal`).
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pki.errors import Damaged, InvalidInput
from pki.names import Identity, Role, identity_of, names_of, san_text, sans_of

# The version of the file's layout; another one is refused, for guessing could lose a revocation.
VERSION = 1

# The reasons that a CRL of ours may state, by their names on the command line: RFC 5280 s.5.3.1, without those that
# lift a revocation (removeFromCRL, certificateHold) or that only another kind of CA may state.
REASONS = {
    "unspecified": x509.ReasonFlags.unspecified,
    "key-compromise": x509.ReasonFlags.key_compromise,
    "affiliation-changed": x509.ReasonFlags.affiliation_changed,
    "superseded": x509.ReasonFlags.superseded,
    "cessation-of-operation": x509.ReasonFlags.cessation_of_operation,
}


@dataclass(frozen=True)
class Entry:
    """One certificate that was issued. ``serial``: hexadecimal, as openssl prints it."""

    serial: str
    role: str
    name: str
    subject: str
    sans: tuple[str, ...]
    not_before: datetime
    not_after: datetime
    issuer: str  # subject key identifier of the CA, hexadecimal
    key: str  # SHA-256 of the public key, hexadecimal
    issued_at: datetime
    revoked_at: datetime | None = None
    reason: str | None = None

    @property
    def identity(self) -> Identity | None:
        """The holder; None if only its revocation is known (`pki.crl.rebuild_ledger`)."""
        return Identity(Role(self.role), self.name) if self.role else None


@dataclass(frozen=True)
class Ledger:
    """Every certificate ever issued here, oldest first, and the number of the latest CRL."""

    entries: tuple[Entry, ...] = ()
    crl_number: int = 0
    # Looked up at every check of a certificate; a search of all entries would make a large ledger slow.
    _by_serial: dict[str, Entry] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._by_serial.update({entry.serial: entry for entry in self.entries})

    def with_issued(self, certificate: x509.Certificate, now: datetime) -> "Ledger":
        """This ledger and one certificate more."""
        return replace(self, entries=(*self.entries, entry_of(certificate, now)))

    def without_ended(self, role: Role, before: datetime) -> "Ledger":
        """This ledger without the certificates of a role that ended before a time and were not revoked."""
        kept = (e for e in self.entries if e.role != role.value or e.revoked_at or e.not_after >= before)
        return replace(self, entries=tuple(kept))

    def with_revoked(self, serial: str, reason: str, now: datetime) -> "Ledger":
        """This ledger with one certificate revoked.

        Args:
            serial: of an entry that is in it, hexadecimal.
            reason: one of `REASONS`.
            now: the time of the revocation.
        """
        revoked = replace(self._by_serial[serial], revoked_at=now, reason=reason)
        return replace(self, entries=tuple(revoked if entry.serial == serial else entry for entry in self.entries))

    def get(self, certificate: x509.Certificate) -> Entry | None:
        """The entry of a certificate; None if it has none."""
        return self._by_serial.get(serial_text(certificate.serial_number))

    def is_revoked(self, certificate: x509.Certificate) -> bool:
        """Whether it was revoked."""
        entry = self.get(certificate)
        return entry is not None and entry.revoked_at is not None

    def has_revoked_key(self, key: CertificatePublicKeyTypes) -> bool:
        """Whether a certificate of the same key was revoked: such a key is never certified again."""
        digest = key_digest(key)
        return any(entry.key == digest and entry.revoked_at for entry in self.entries)

    def revoked_by(self, issuer: str) -> Iterator[Entry]:
        """The certificates on the CRL of one CA.

        Args:
            issuer: the CA's subject key identifier, hexadecimal.
        """
        return (entry for entry in self.entries if entry.revoked_at and entry.issuer == issuer)

    def find(self, text: str) -> list[Entry]:
        """Certificates by serial number or by identity; several of one identity are its renewals.

        Args:
            text: a serial number as openssl prints it, ``NAME``, ``ROLE/NAME`` or ``NAME.ROLE.bringup.internal``.

        Raises:
            InvalidInput: two identities of different roles have this name.
        """
        serial = text.replace(":", "").upper().removeprefix("0X").lstrip("0")
        found = [e for e in self.entries if e.serial.lstrip("0") == serial]
        found = found or [e for e in self.entries if e.identity and text in names_of(e.identity)]
        if len({entry.identity for entry in found}) > 1:
            names = ", ".join(sorted({f"{e.role}/{e.name}" for e in found}))
            raise InvalidInput(f"{text} is more than one identity: {names}", hint="name it as ROLE/NAME")
        return found

    def to_json(self) -> bytes:
        """The contents of its file."""
        entries = [asdict(entry) for entry in self.entries]
        document = {"version": VERSION, "crl_number": self.crl_number, "certificates": entries}
        return (json.dumps(document, indent=1, default=datetime.isoformat) + "\n").encode()

    @classmethod
    def from_json(cls, data: bytes) -> "Ledger":
        """What `to_json` wrote. Raises Damaged."""
        try:
            document = json.loads(data)
            version, number = document["version"], int(document["crl_number"])
            entries = tuple(map(_entry, document["certificates"]))
        except (ValueError, KeyError, TypeError):
            raise Damaged("the ledger of issued certificates cannot be read as one") from None
        if version != VERSION:
            raise Damaged(f"the ledger of issued certificates has version {version}; this program knows {VERSION}")
        return cls(entries, number)


def entry_of(certificate: x509.Certificate, now: datetime) -> Entry:
    """The entry of a new certificate.

    Raises:
        Damaged: it carries no identity.
    """
    identity = identity_of(certificate)
    if identity is None:
        raise Damaged(f"the certificate {serial_text(certificate.serial_number)} carries no identity of this PKI")
    aki = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    return Entry(
        serial=serial_text(certificate.serial_number),
        role=identity.role.value,
        name=identity.name,
        subject=certificate.subject.rfc4514_string(),
        sans=tuple(map(san_text, sans_of(certificate))),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        issuer=(aki or b"").hex(),
        key=key_digest(certificate.public_key()),
        issued_at=now,
    )


def serial_text(serial: int) -> str:
    """As ``openssl x509 -serial`` prints it."""
    text = f"{serial:X}"
    return text if len(text) % 2 == 0 else f"0{text}"


def key_digest(key: CertificatePublicKeyTypes) -> str:
    """SHA-256 of a public key, hexadecimal."""
    digest = hashes.Hash(hashes.SHA256())
    digest.update(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
    return digest.finalize().hex()


def _entry(raw: dict[str, Any]) -> Entry:
    times = {
        name: datetime.fromisoformat(raw[name]) if raw[name] else None
        for name in ("not_before", "not_after", "issued_at", "revoked_at")
    }
    return Entry(**{**raw, **times, "sans": tuple(raw["sans"])})
