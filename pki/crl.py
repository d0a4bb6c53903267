"""Revocation: revoking a certificate, reading the published lists, and rebuilding a lost ledger from them.

Source: RFC 5280 s.5.1; what a list holds is decided in `pki.authority.Authority.crl`.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from cryptography import x509

from pki import errors, names
from pki.files import read
from pki.ledger import REASONS, Entry, Ledger, entry_of, serial_text
from pki.session import CaSession
from pki.store import Store

# The PEM blocks of a file; cryptography reads the first only, and a rollover has two.
_PEM = re.compile(rb"-----BEGIN X509 CRL-----.+?-----END X509 CRL-----", re.DOTALL)


def revoke(session: CaSession, who: str, reason: str) -> list[Entry]:
    """Revoke the certificates of an identity that have not ended yet, or the one with a serial number.

    Args:
        session: committed here; what is replaced is kept as a backup.
        who: a serial number or an identity, as `pki.ledger.Ledger.find` takes them.
        reason: one of `pki.ledger.REASONS`.

    Returns:
        What was revoked now; what was revoked before stays as it was.

    Raises:
        InvalidInput: nothing in the ledger has this name or number, or more than one identity has.
    """
    found = session.ledger.find(who)
    if not found:
        raise errors.InvalidInput(
            f"nothing in the ledger has the name or serial number {who!r}", hint="bringup pki show"
        )
    current = [entry for entry in found if not entry.revoked_at and entry.not_after > session.now]
    for entry in current:
        session.revoke(entry, reason)
    for identity in {entry.identity for entry in current}:
        _retire(session, identity)
    session.publish_crl()
    session.commit(backup=True)
    return current


def _retire(session: CaSession, identity: names.Identity | None) -> None:
    """Remove the files of a revoked identity; those of the standard three stay until they are issued again."""
    if identity is None or identity.is_standard:
        return
    present = session.store.certificate(identity)
    if present is not None and session.ledger.is_revoked(present):
        files = session.store.files(identity)
        for path in (files.certificate, files.key, files.bundle):
            if path.exists():
                session.drop(path)


def rebuild_ledger(session: CaSession) -> None:
    """Rebuild the ledger: certificates from their files, revocations from the list that the CA signed.

    A certificate whose file is not here is known again only if it was revoked.

    Raises:
        Refused: the ledger is there and readable.
    """
    path = session.store.ledger_file
    if path.exists() and _readable(path.read_bytes()):
        raise errors.Refused(
            f"{path} is there and readable: rebuilding it could only lose something", hint="bringup pki crl"
        )
    crl_file = session.store.ca_crl
    lists = read_crls(crl_file) if crl_file.exists() else []
    entries = [entry_of(one, session.now) for one in _certificates(session)]
    known = {entry.serial for entry in entries}
    entries += [entry for one in lists for entry in _only_revoked(one) if entry.serial not in known]
    ledger = Ledger(tuple(entries), crl_number=max(map(number, lists), default=0))
    session.ledger = _with_revocations(ledger, lists)


def _certificates(session: CaSession) -> Iterator[x509.Certificate]:
    for identity in session.store.identities():
        certificate = session.store.certificate(identity)
        if certificate is not None and names.identity_of(certificate) is not None:
            yield certificate


def _only_revoked(revocations: x509.CertificateRevocationList) -> Iterator[Entry]:
    aki = revocations.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier or b""
    end = revocations.next_update_utc or revocations.last_update_utc
    for one in revocations:
        when = one.revocation_date_utc
        yield Entry(serial_text(one.serial_number), "", "", "", (), when, end, aki.hex(), "", issued_at=when)


def number(revocations: x509.CertificateRevocationList) -> int:
    """The number of a CRL: a later one has a higher number. RFC 5280 s.5.2.3."""
    return revocations.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number


def _readable(data: bytes) -> bool:
    try:
        Ledger.from_json(data)
    except errors.PkiError:
        return False
    return True


def _with_revocations(ledger: Ledger, lists: Sequence[x509.CertificateRevocationList]) -> Ledger:
    revoked = {serial_text(one.serial_number): one for revocations in lists for one in revocations}
    entries = tuple(_marked(entry, revoked.get(entry.serial)) for entry in ledger.entries)
    return replace(ledger, entries=entries)


def _marked(entry: Entry, revoked: x509.RevokedCertificate | None) -> Entry:
    if revoked is None:
        return entry
    return replace(entry, revoked_at=revoked.revocation_date_utc, reason=_reason(revoked))


def _reason(revoked: x509.RevokedCertificate) -> str:
    try:
        flag = revoked.extensions.get_extension_for_class(x509.CRLReason).value.reason
    except x509.ExtensionNotFound:
        return "unspecified"
    return next((name for name, known in REASONS.items() if known is flag), "unspecified")


def read_crls(path: Path) -> list[x509.CertificateRevocationList]:
    """Every CRL of a PEM file: during a rollover there are two.

    Raises:
        Damaged: there is none, or one cannot be read.
    """
    if lists := parse_crls(read(path)):
        return lists
    raise errors.Damaged(f"{path} holds no readable CRL", hint="bringup pki crl")


def parse_crls(pem: bytes) -> list[x509.CertificateRevocationList]:
    """Every CRL in PEM; none where one cannot be read."""
    try:
        return [x509.load_pem_x509_crl(block) for block in _PEM.findall(pem)]
    except ValueError:
        return []


def known_revocations(store: Store) -> Callable[[x509.Certificate], bool]:
    """A test whether a certificate was revoked, by the ledger where it is here, and by the published list.

    A file that cannot be read counts as empty: another check reports it.
    """
    ledger, lists = Ledger(), list[x509.CertificateRevocationList]()
    with suppress(errors.PkiError, OSError):
        lists = read_crls(store.ca_crl)
    with suppress(errors.PkiError, OSError):
        ledger = store.ledger()
    return lambda certificate: (
        ledger.is_revoked(certificate)
        or any(one.get_revoked_certificate_by_serial_number(certificate.serial_number) for one in lists)
    )


def revoked_serials(store: Store) -> frozenset[int]:
    """The serial numbers on the published list; empty where no list was published. Raises Damaged."""
    if not store.ca_crl.exists():
        return frozenset()
    lists = read_crls(store.ca_crl)
    return frozenset(entry.serial_number for one in lists for entry in one)
