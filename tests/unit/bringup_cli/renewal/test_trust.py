"""A host trusts another CA only if one that it trusts has certified it; an older list never replaces a newer one."""

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from api.est.trust import usable_lists
from bringup_cli.site.renewal import accepted
from pki import profile, rollover
from pki.authority import Authority, pem
from pki.files import read
from pki.store import Store
from tests.unit.pki.kit import NOW, open_session


def in_rollover(store: Store) -> tuple[list[x509.Certificate], list[x509.Certificate]]:
    """The CAs, the old one first, and their vouchers."""
    with open_session(store, NOW) as session:
        rollover.start(session)
    with open_session(store, NOW) as session:
        return list(session.trusted), list(rollover.vouchers(session))


def test_a_ca_that_the_present_one_has_certified_is_accepted(store: Store) -> None:
    anchors, vouchers = in_rollover(store)
    assert accepted([*anchors, *vouchers], anchors[:1], NOW) == anchors
    assert accepted(anchors[1:], anchors, NOW) == anchors[1:]  # the end of the rollover


def test_a_ca_without_a_voucher_is_refused(store: Store) -> None:
    anchors, _ = in_rollover(store)
    with pytest.raises(ValueError, match="none of the present ones has certified"):
        accepted(anchors, anchors[:1], NOW)


def test_a_ca_that_vouches_for_itself_under_the_name_of_another_is_refused(store: Store) -> None:
    anchors, _ = in_rollover(store)
    foreign = Authority.new(30, NOW)
    forged = profile.voucher(foreign.certificate, issuer=anchors[0]).sign(foreign.key, hashes.SHA256())
    with pytest.raises(ValueError, match="none of the present ones has certified"):
        accepted([anchors[0], foreign.certificate, forged], anchors[:1], NOW)


def test_a_voucher_for_another_key_of_the_same_name_is_no_voucher(store: Store) -> None:
    anchors, vouchers = in_rollover(store)
    impostor = Authority.new(30, NOW)
    named = (
        x509.CertificateBuilder()
        .subject_name(anchors[1].subject)
        .issuer_name(anchors[1].subject)
        .public_key(impostor.key.public_key())
        .serial_number(1)
        .not_valid_before(anchors[1].not_valid_before_utc)
        .not_valid_after(anchors[1].not_valid_after_utc)
        .sign(impostor.key, hashes.SHA256())
    )
    with pytest.raises(ValueError, match="none of the present ones has certified"):
        accepted([anchors[0], named, *vouchers], anchors[:1], NOW)


def test_a_host_is_never_left_without_a_ca(store: Store) -> None:
    anchors, _ = in_rollover(store)
    with pytest.raises(ValueError, match="no CA that is trusted here"):
        accepted([], anchors, NOW)


def test_a_newer_list_is_used_and_an_older_one_refused(store: Store) -> None:
    (anchor,) = store.authorities()
    old = read(store.ca_crl)
    with open_session(store, NOW) as session:
        session.publish_crl()
        session.commit()
    new = read(store.ca_crl)
    assert usable_lists(new, old, [anchor]) == new
    assert usable_lists(new, new, [anchor]) is None
    assert usable_lists(new, b"", [anchor]) == new
    with pytest.raises(ValueError, match="older than those in use"):
        usable_lists(old, new, [anchor])


def test_a_list_of_a_ca_that_is_not_trusted_is_no_list(store: Store) -> None:
    foreign = Authority.new(30, NOW)
    with open_session(store, NOW) as session:
        forged = pem(foreign.crl(session.ledger, 7, NOW))
    with pytest.raises(ValueError, match="has no revocation list"):
        usable_lists(forged, read(store.ca_crl), list(store.authorities()))


def test_during_a_rollover_a_list_of_a_ca_that_is_not_trusted_yet_is_left_out(store: Store) -> None:
    (old,) = store.authorities()
    before = read(store.ca_crl)
    in_rollover(store)
    both = read(store.ca_crl)
    kept = usable_lists(both, before, [old])
    assert kept
    assert kept.count(b"BEGIN X509 CRL") == 1
    assert both.count(b"BEGIN X509 CRL") == 2
