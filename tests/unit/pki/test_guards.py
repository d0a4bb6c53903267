"""Limits and guards of the PKI, each at both of its sides."""

import os
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from pki import csr, profile, rollover
from pki.authority import Authority, pem
from pki.crl import read_crls, rebuild_ledger, revoke
from pki.errors import Damaged, InvalidInput, Refused, Unwritable
from pki.issue import issue
from pki.journal import owner_to_be
from pki.ledger import Ledger
from pki.store import Store
from tests.unit.pki import kit
from tests.unit.pki.kit import NOW, REDIS, W2, WORKER, Forgery

_SECOND = timedelta(seconds=1)


def request(key: rsa.RSAPrivateKey | None = None) -> x509.CertificateSigningRequest:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")])
    return x509.CertificateSigningRequestBuilder().subject_name(name).sign(key or profile.new_key(), hashes.SHA256())


def test_a_request_is_read_up_to_its_largest_size_and_no_byte_more() -> None:
    data = request().public_bytes(Encoding.PEM)
    csr.read_request(data.ljust(csr.LARGEST_REQUEST, b"\n"), "request")
    with pytest.raises(InvalidInput, match="larger than 64 KiB"):
        csr.read_request(data.ljust(csr.LARGEST_REQUEST + 1, b"\n"), "request")


@pytest.mark.parametrize(("bits", "refused"), [(2047, True), (2048, False), (8192, False), (8193, True)])
def test_rsa_keys_are_accepted_between_their_limits(bits: int, *, refused: bool) -> None:
    key = rsa.RSAPublicNumbers(65537, (1 << (bits - 1)) + 1).public_key()
    assert bool(csr.key_weakness(key)) is refused


def test_a_certified_request_leaves_no_older_key_beside_it(store: Store) -> None:
    with kit.open_session(store) as session:
        issue(session, W2)
    with kit.open_session(store) as session:
        revoke(session, "w2", "superseded")
    store.files(W2).key.touch(mode=0o600)
    with kit.open_session(store) as session:
        issue(session, W2, request=request())
    assert not store.files(W2).key.exists()
    assert kit.failures(store) == {}


@pytest.mark.parametrize(("after", "refused"), [(-_SECOND, False), (timedelta(0), True), (_SECOND, True)])
def test_a_ca_signs_until_the_second_in_which_it_ends(after: timedelta, *, refused: bool) -> None:
    authority = Authority.new(10, NOW)
    when = authority.certificate.not_valid_after_utc + after
    if refused:
        with pytest.raises(Refused, match="the CA has expired"):
            authority.crl(Ledger(), 7, when)
    else:
        authority.crl(Ledger(), 7, when)


def test_a_ca_does_not_sign_before_it_is_valid() -> None:
    authority = Authority.new(10, NOW)
    start = authority.certificate.not_valid_before_utc
    authority.crl(Ledger(), 7, start)
    with pytest.raises(Refused, match="clock"):
        authority.crl(Ledger(), 7, start - _SECOND)


def test_a_list_never_outlives_its_ca_nor_begins_before_it(tmp_path: Path) -> None:
    store = kit.init_pki(tmp_path / "pki", ca_days=3, crl_days=7)
    (made,) = read_crls(store.ca_crl)
    (authority,) = store.authorities()
    assert made.next_update_utc == authority.not_valid_after_utc
    assert made.last_update_utc >= authority.not_valid_before_utc


def test_what_has_ended_is_not_revoked_any_more(store: Store) -> None:
    with kit.open_session(store, NOW + timedelta(days=91)) as session:
        assert revoke(session, "worker", "superseded") == []
    assert store.ledger().get(kit.certificate_of(store, WORKER)).revoked_at is None  # type: ignore[union-attr]


def test_a_record_that_can_be_read_is_never_replaced(store: Store) -> None:
    before = store.ledger_file.read_bytes()
    with kit.open_session(store) as session, pytest.raises(Refused, match="could only lose something"):
        rebuild_ledger(session)
    assert store.ledger_file.read_bytes() == before


def test_a_rebuilt_record_goes_on_with_the_number_of_the_list(store: Store) -> None:
    for _ in range(3):
        with kit.open_session(store) as session:
            session.publish_crl()
            session.commit()
    number = store.ledger().crl_number
    store.ledger_file.unlink()
    with kit.open_session(store) as session:
        rebuild_ledger(session)
        session.commit()
    assert store.ledger().crl_number == number


@pytest.mark.parametrize("mode", [0o664, 0o646, 0o666])
@pytest.mark.parametrize("target", ["redis", "ca"])
def test_a_certificate_that_its_group_or_every_user_can_change_is_found(store: Store, target: str, mode: int) -> None:
    path = store.ca_certificate if target == "ca" else store.files(REDIS).certificate
    path.chmod(mode)
    assert "others can change" in kit.failures(store)[(target, "certificate")]


@pytest.mark.parametrize("mode", [0o710, 0o701, 0o740, 0o750])
def test_the_private_folder_is_open_to_no_other_user(store: Store, mode: int) -> None:
    store.state.chmod(mode)
    assert "is open to others" in kit.failures(store)[("ca", "folders")]


def test_a_list_under_the_name_of_our_ca_that_it_did_not_sign_is_found(store: Store) -> None:
    (authority,) = store.authorities()
    foreign = Authority(authority, profile.new_key())
    store.ca_crl.write_bytes(pem(foreign.crl(Ledger(), 90, NOW)))
    assert "holds no list signed by" in kit.failures(store)[("ca", "crl")]


def test_a_ca_that_did_not_sign_itself_is_found(store: Store) -> None:
    other, key = Authority.new(100, NOW), profile.new_key()
    builder = profile.authority(key.public_key(), 100, NOW)
    store.ca_certificate.write_bytes(pem(builder.sign(other.key, hashes.SHA256())))
    assert "is not signed by itself" in kit.failures(store)[("ca", "profile")]


def test_a_certificate_that_outlives_its_ca_is_a_warning(tmp_path: Path) -> None:
    store = kit.init_pki(tmp_path / "pki", ca_days=60)
    certificate = Forgery(end=NOW + timedelta(days=61)).sign(kit.authority_of(store))
    store.files(REDIS).certificate.write_bytes(pem(certificate))
    results = kit.verified(store)
    assert any("outlives its CA" in one.message for one in results if one.target == "redis")


def test_a_bundle_with_a_foreign_ca_is_found(store: Store, tmp_path: Path) -> None:
    foreign = kit.init_pki(tmp_path / "foreign").authorities()[0]
    store.files(REDIS).bundle.write_bytes(pem(kit.certificate_of(store, REDIS), foreign))
    assert "followed by its CA" in kit.failures(store)[("redis", "bundle")]


def test_a_file_of_another_user_is_not_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "key.pem"
    path.touch()
    owner = path.stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1 or 1)
    monkeypatch.setattr("pki.journal.may_give_away", lambda: False)
    with pytest.raises(Unwritable, match=f"belongs to user {owner}"):
        owner_to_be(path)


@pytest.mark.parametrize("data", [b"", b"no list", b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n"])
def test_a_file_without_a_list_is_damaged_and_not_an_empty_list(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "ca-crl.pem").write_bytes(data)
    with pytest.raises(Damaged, match="holds no readable CRL"):
        read_crls(tmp_path / "ca-crl.pem")


def test_a_rollover_certifies_no_key_that_was_revoked_under_an_older_certificate(store: Store) -> None:
    first = kit.certificate_of(store, WORKER)
    with kit.open_session(store) as session:
        session.certify(WORKER, (), first.public_key())
        session.commit()
    with kit.open_session(store) as session:
        revoke(session, f"{first.serial_number:X}", "key-compromise")
    present = kit.certificate_of(store, WORKER)
    for step in (rollover.start, rollover.advance):
        with kit.open_session(store) as session:
            moved = step(session)
    assert moved.reissued == []
    assert kit.certificate_of(store, WORKER) == present


def test_a_rollover_renews_no_certificate_that_has_ended(tmp_path: Path) -> None:
    store = kit.init_pki(tmp_path / "pki", days=10)
    ended = kit.certificate_of(store, WORKER)
    for step in (rollover.start, rollover.advance):
        with kit.open_session(store, NOW + timedelta(days=10)) as session:
            moved = step(session)
    assert moved.reissued == []
    assert kit.certificate_of(store, WORKER) == ended
