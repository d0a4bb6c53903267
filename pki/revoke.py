"""Revoking, and recovering what is known of revoked certificates when the record is lost."""

from collections.abc import Iterator
from dataclasses import replace

from cryptography import x509

from pki.ceremony import Ceremony
from pki.crl import REASONS, read_all
from pki.errors import InvalidInput, Refused
from pki.files import read
from pki.names import identity_of
from pki.record import Entry, Record, entry_of, serial_text
from pki.store import REBUILD


def revoke(sitting: Ceremony, who: str, reason: str) -> list[Entry]:
    """Revoke the certificates of an identity that have not ended yet, or the one with a serial number.

    Returns:
        What was revoked now; what was revoked before stays as it was.

    Raises:
        InvalidInput: nothing on record has this name or number, or more than one identity has.
    """
    found = sitting.record.find(who)
    if not found:
        raise InvalidInput(f"nothing on record has the name or serial number {who!r}", mend="bringup pki show")
    current = [entry for entry in found if not entry.revoked_at and entry.not_after > sitting.now]
    for entry in current:
        sitting.revoke(entry, reason)
    sitting.publish_crl()
    sitting.commit()
    return current


def rebuild_record(sitting: Ceremony) -> None:
    """Make the record anew: certificates from their files, revocations from the list that the CA signed.

    Certificates whose files are not here are known again only if they were revoked.

    Raises:
        Refused: the record is there and readable.
    """
    path = sitting.store.record_file
    if path.exists() and _readable(path.read_bytes()):
        raise Refused(f"{path} is there and readable: making it anew could only lose something", mend="bringup pki crl")
    lists = _lists(sitting)
    record = Record(crl_number=max(map(_number, lists), default=0))
    for identity in sitting.store.identities():
        certificate = sitting.store.certificate(identity)
        if certificate is not None and identity_of(certificate) is not None:
            record = record.with_issued(certificate, sitting.now)
    for one in lists:
        record = Record((*record.entries, *_unknown(record, one, sitting)), record.crl_number)
    sitting.record = _with_revocations(record, lists)
