"""Revoking, and recovering what is known of revoked certificates when the record is lost."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from cryptography import x509

from pki.crl import REASONS, read_all
from pki.errors import InvalidInput, PkiError, Refused
from pki.files import read
from pki.ledger import Entry, Record, entry_of, serial_text
from pki.names import Identity, identity_of
from pki.session import Ceremony


def revoke(sitting: Ceremony, who: str, reason: str) -> list[Entry]:
    """Revoke the certificates of an identity that have not ended yet, or the one with a serial number.

    Returns:
        What was revoked now; what was revoked before stays as it was.

    Raises:
        InvalidInput: nothing on record has this name or number, or more than one identity has.
    """
    found = sitting.record.find(who)
    if not found:
        raise InvalidInput(f"nothing on record has the name or serial number {who!r}", hint="bringup pki show")
    current = [entry for entry in found if not entry.revoked_at and entry.not_after > sitting.now]
    for entry in current:
        sitting.revoke(entry, reason)
    for identity in {entry.identity for entry in current}:
        _retire(sitting, identity)
    sitting.publish_crl()
    sitting.commit(keep_replaced=True)
    return current


def _retire(sitting: Ceremony, identity: Identity | None) -> None:
    """Put the files of a revoked identity aside; the three that everybody needs stay until they are issued again."""
    if identity is None or identity.is_standard:
        return
    present = sitting.store.certificate(identity)
    if present is not None and sitting.record.is_revoked(present):
        files = sitting.store.files(identity)
        for path in (files.certificate, files.key, files.bundle):
            if path.exists():
                sitting.drop(path)


def rebuild_record(sitting: Ceremony) -> None:
    """Make the record anew: certificates from their files, revocations from the list that the CA signed.

    Certificates whose files are not here are known again only if they were revoked.

    Raises:
        Refused: the record is there and readable.
    """
    path = sitting.store.record_file
    if path.exists() and _readable(path.read_bytes()):
        raise Refused(f"{path} is there and readable: making it anew could only lose something", hint="bringup pki crl")
    crl_file = sitting.store.ca_crl
    lists = read_all(read(crl_file), str(crl_file)) if crl_file.exists() else []
    entries = [entry_of(one, sitting.now) for one in _certificates(sitting)]
    known = {entry.serial for entry in entries}
    entries += [gone for one in lists for gone in _only_revoked(one) if gone.serial not in known]
    record = Record(tuple(entries), crl_number=max(map(_number, lists), default=0))
    sitting.record = _with_revocations(record, lists)


def _certificates(sitting: Ceremony) -> Iterator[x509.Certificate]:
    for identity in sitting.store.identities():
        certificate = sitting.store.certificate(identity)
        if certificate is not None and identity_of(certificate) is not None:
            yield certificate


def _only_revoked(revocations: x509.CertificateRevocationList) -> Iterator[Entry]:
    aki = revocations.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier or b""
    end = revocations.next_update_utc or revocations.last_update_utc
    for one in revocations:
        when = one.revocation_date_utc
        yield Entry(serial_text(one.serial_number), "", "", "", (), when, end, aki.hex(), "", issued_at=when)


def _number(revocations: x509.CertificateRevocationList) -> int:
    return revocations.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number


def _readable(data: bytes) -> bool:
    try:
        Record.from_json(data)
    except PkiError:
        return False
    return True


def _with_revocations(record: Record, lists: Sequence[x509.CertificateRevocationList]) -> Record:
    revoked = {serial_text(one.serial_number): one for revocations in lists for one in revocations}
    entries = tuple(_marked(entry, revoked.get(entry.serial)) for entry in record.entries)
    return replace(record, entries=entries)


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
