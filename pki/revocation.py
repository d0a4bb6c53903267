"""What is known here of revoked certificates: the CA's record where it is, the published list everywhere."""

from collections.abc import Callable
from contextlib import suppress

from cryptography import x509

from pki.crl import read_all
from pki.errors import PkiError
from pki.files import read
from pki.ledger import Record
from pki.store import Store


def known_revocations(store: Store) -> Callable[[x509.Certificate], bool]:
    """Whether a certificate was revoked; what cannot be read is a finding of its own check, not of this."""
    record, lists = Record(), list[x509.CertificateRevocationList]()
    with suppress(PkiError, OSError):
        lists = read_all(read(store.ca_crl), str(store.ca_crl))
    with suppress(PkiError, OSError):
        record = store.record()
    return lambda certificate: (
        record.is_revoked(certificate)
        or any(one.get_revoked_certificate_by_serial_number(certificate.serial_number) for one in lists)
    )


def revoked_serials(store: Store) -> frozenset[int]:
    """What the published list names; empty where no list was published. Raises Damaged."""
    if not store.ca_crl.exists():
        return frozenset()
    lists = read_all(read(store.ca_crl), str(store.ca_crl))
    return frozenset(entry.serial_number for one in lists for entry in one)
