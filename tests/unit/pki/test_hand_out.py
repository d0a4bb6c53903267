"""Certificates for those who take their key away: on record like all others, in no file, and soon over."""

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from pki.errors import InvalidInput, Refused
from pki.issue import hand_out, issue
from pki.lint import lint_leaf
from pki.names import Identity, Role, dns_names, parse_san
from pki.revoke import revoke
from pki.store import Store
from tests.unit.pki import kit
from tests.unit.pki.kit import NOW, W2

RUN = Identity(Role.RUN, "02-00-00-00-00-01-1795426896")


def handed_out(store: Store, identity: Identity = RUN, hours: float = 24) -> bytes:
    with kit.sitting(store, days=hours / 24) as opened:
        return hand_out(opened, identity)


def test_it_is_a_certificate_for_a_key_that_nobody_else_has(store: Store) -> None:
    before = set(kit.snapshot(store.root))
    text = handed_out(store)
    certificate = x509.load_pem_x509_certificate(text)
    key = load_pem_private_key(text, password=None)
    assert certificate.public_key() == key.public_key()
    assert dns_names(certificate) == [RUN.dns]
    assert lint_leaf(certificate, Role.RUN) == []
    assert set(kit.snapshot(store.root)) == before, "a file was left"
    assert not [data for data in kit.snapshot(store.root).values() if text[-120:] in data]


@pytest.mark.parametrize("hours", [0.5, 1, 7, 24])
def test_it_lives_as_long_as_was_asked_to_the_second(store: Store, hours: float) -> None:
    certificate = x509.load_pem_x509_certificate(handed_out(store, hours=hours))
    assert certificate.not_valid_after_utc == NOW + timedelta(hours=hours)


def test_it_is_on_record_and_can_be_revoked(store: Store) -> None:
    certificate = x509.load_pem_x509_certificate(handed_out(store))
    assert store.record().get(certificate) is not None
    with kit.sitting(store) as opened:
        revoke(opened, RUN.name, "key-compromise")
    assert store.record().is_revoked(certificate)


def test_each_time_it_is_another_key(store: Store) -> None:
    keys = [x509.load_pem_x509_certificate(handed_out(store)).public_key() for _ in range(2)]
    assert keys[0] != keys[1]
    assert len(store.record().find(RUN.name)) == 2


def test_runs_that_ended_long_ago_go_from_the_record_and_nobody_else_does(store: Store) -> None:
    handed_out(store)
    revoked = Identity(Role.RUN, "revoked")
    handed_out(store, revoked)
    handed_out(store, W2)
    with kit.sitting(store) as opened:
        revoke(opened, revoked.name, "key-compromise")
    for days, left in ((30, 1), (32, 0)):
        with kit.sitting(store, NOW + timedelta(days=days), days=1) as opened:
            hand_out(opened, Identity(Role.RUN, f"new-{days}"))
        assert len(store.record().find(RUN.name)) == left
    assert all(store.record().find(name) for name in ("revoked", "w2", "redis", "new-30", "new-32"))


def test_what_is_refused_for_a_file_is_refused_here_too(store: Store) -> None:
    with kit.sitting(store) as opened, pytest.raises(InvalidInput, match="its identity alone"):
        hand_out(opened, RUN, (parse_san("host.example.net"),))
    with kit.sitting(store) as opened:
        issue(opened, W2)
    with kit.sitting(store) as opened, pytest.raises(Refused, match="has a certificate"):
        hand_out(opened, W2)


def test_the_record_of_one_that_was_refused_is_as_before(store: Store) -> None:
    before = kit.snapshot(store.root)
    with kit.sitting(store, NOW + timedelta(days=5000)) as opened, pytest.raises(Refused):
        hand_out(opened, RUN)
    assert kit.snapshot(store.root) == before
