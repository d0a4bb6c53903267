"""Certificates for those who take their key away: on record like all others, in no file, and soon over."""

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from pki.crl import revoke
from pki.errors import InvalidInput, Refused
from pki.issue import issue, issue_ephemeral
from pki.names import Identity, Role, dns_names, parse_san
from pki.store import Store
from tests.unit.pki import kit
from tests.unit.pki.kit import NOW, W2

RUN = Identity(Role.RUN, "02-00-00-00-00-01-1795426896")


def issued_pem(store: Store, identity: Identity = RUN, hours: float = 24) -> bytes:
    with kit.open_session(store, days=hours / 24) as session:
        return issue_ephemeral(session, identity)


def test_it_is_a_certificate_for_a_key_that_no_file_has(store: Store) -> None:
    before = set(kit.snapshot(store.root))
    text = issued_pem(store)
    certificate = x509.load_pem_x509_certificate(text)
    key = load_pem_private_key(text, password=None)
    assert certificate.public_key() == key.public_key()
    assert dns_names(certificate) == [RUN.dns]
    assert kit.lint_leaf(certificate, Role.RUN) == []
    assert set(kit.snapshot(store.root)) == before, "a file was left"
    assert not [data for data in kit.snapshot(store.root).values() if text[-120:] in data]


@pytest.mark.parametrize("hours", [0.5, 1, 7, 24])
def test_it_lives_as_long_as_was_asked_to_the_second(store: Store, hours: float) -> None:
    certificate = x509.load_pem_x509_certificate(issued_pem(store, hours=hours))
    assert certificate.not_valid_after_utc == NOW + timedelta(hours=hours)


def test_it_is_on_record_and_can_be_revoked(store: Store) -> None:
    certificate = x509.load_pem_x509_certificate(issued_pem(store))
    assert store.ledger().get(certificate) is not None
    with kit.open_session(store) as session:
        revoke(session, RUN.name, "key-compromise")
    assert store.ledger().is_revoked(certificate)


def test_each_time_it_is_another_key(store: Store) -> None:
    keys = [x509.load_pem_x509_certificate(issued_pem(store)).public_key() for _ in range(2)]
    assert keys[0] != keys[1]
    assert len(store.ledger().find(RUN.name)) == 2


def test_only_runs_that_ended_long_ago_are_removed_from_the_ledger(store: Store) -> None:
    issued_pem(store)
    revoked = Identity(Role.RUN, "revoked")
    issued_pem(store, revoked)
    issued_pem(store, W2)
    with kit.open_session(store) as session:
        revoke(session, revoked.name, "key-compromise")
    for days, left in ((30, 1), (32, 0)):
        with kit.open_session(store, NOW + timedelta(days=days), days=1) as session:
            issue_ephemeral(session, Identity(Role.RUN, f"new-{days}"))
        assert len(store.ledger().find(RUN.name)) == left
    assert all(store.ledger().find(name) for name in ("revoked", "w2", "redis", "new-30", "new-32"))


def test_what_is_refused_for_a_file_is_refused_here_too(store: Store) -> None:
    with kit.open_session(store) as session, pytest.raises(InvalidInput, match="its identity alone"):
        issue_ephemeral(session, RUN, (parse_san("host.example.net"),))
    with kit.open_session(store) as session:
        issue(session, W2)
    with kit.open_session(store) as session, pytest.raises(Refused, match="has a certificate"):
        issue_ephemeral(session, W2)


def test_the_record_of_one_that_was_refused_is_as_before(store: Store) -> None:
    before = kit.snapshot(store.root)
    with kit.open_session(store, NOW + timedelta(days=5000)) as session, pytest.raises(Refused):
        issue_ephemeral(session, RUN)
    assert kit.snapshot(store.root) == before
