from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID

from pki import profile
from pki.authority import Authority, is_encrypted, key_pem, pem
from pki.errors import CaKeyLocked, Damaged, Refused
from pki.issue import issue
from pki.names import parse_san, sans_of
from pki.setup import Wanted, start_over
from pki.store import Store
from tests.unit.pki import kit
from tests.unit.pki.kit import API, NOW, REDIS, W2, WORKER


def force(store: Store, **options: str) -> list[str]:
    with kit.open_session(store, passphrase=options.get("passphrase")) as session:
        return start_over(session, kit.WANTED, passphrase=options.get("passphrase")).notes


def test_setup_makes_the_ca_and_the_standard_identities(tmp_path: Path) -> None:
    outcome = kit.set_up_again(Store(tmp_path / "pki"))
    assert outcome.made == ["ca", "redis", "worker", "api", "crl"]
    assert sorted(kit.snapshot(tmp_path / "pki")) == [
        "api/api-bundle.pem",
        "api/api-cert.pem",
        "api/api-key.pem",
        "ca/ca-cert.pem",
        "ca/ca-crl.pem",
        "ca/ca-key.pem",
        "ca/state/record.json",
        "redis/redis-bundle.pem",
        "redis/redis-cert.pem",
        "redis/redis-key.pem",
        "workers/worker-bundle.pem",
        "workers/worker-cert.pem",
        "workers/worker-key.pem",
    ]


def test_a_second_setup_changes_nothing(store: Store) -> None:
    before = kit.snapshot(store.root)
    outcome = kit.set_up_again(store, NOW + timedelta(hours=1))
    assert (outcome.made, outcome.kept) == ([], ["ca", "redis", "worker", "api"])
    assert kit.snapshot(store.root) == before


def test_a_second_setup_needs_no_ca_key(store: Store) -> None:
    store.ca_key.unlink()
    assert kit.set_up_again(store).made == []


def test_setup_works_around_files_that_are_not_its_own(tmp_path: Path) -> None:
    (tmp_path / "pki" / "checks").mkdir(parents=True)
    (tmp_path / "pki" / "__init__.py").touch()
    assert kit.failures(kit.init_pki(tmp_path / "pki")) == {}


def test_files_with_other_names_are_not_taken_for_identities(store: Store) -> None:
    folder = store.root / "issued" / "worker"
    folder.mkdir(parents=True)
    for name in ("A_b-cert.pem", "-cert.pem", "x.y-key.pem"):
        (folder / name).touch()
    assert store.identities() == [REDIS, WORKER, API]


def test_a_name_that_is_missing_is_added_and_key_and_other_names_stay(store: Store) -> None:
    before = kit.certificate_of(store, REDIS)
    wanted = [Wanted(REDIS, (parse_san("other.example.net"),))]
    assert kit.set_up_again(store, wanted=wanted).made == ["redis"]
    after = kit.certificate_of(store, REDIS)
    assert after.public_key() == before.public_key()
    assert set(sans_of(after)) == {*sans_of(before), parse_san("other.example.net")}
    assert kit.failures(store) == {}


@pytest.mark.parametrize("missing", ["certificate", "bundle"])
def test_a_missing_public_file_is_made_again_with_the_key_that_is_there(store: Store, missing: str) -> None:
    key = store.files(API).key.read_bytes()
    getattr(store.files(API), missing).unlink()
    kit.set_up_again(store)
    assert store.files(API).key.read_bytes() == key
    assert kit.failures(store) == {}


def test_a_missing_key_is_made_again_and_the_certificate_kept_aside(store: Store) -> None:
    old = store.files(API).certificate.read_bytes()
    store.files(API).key.unlink()
    outcome = kit.set_up_again(store)
    assert outcome.made == ["api"]
    assert outcome.backup
    assert (outcome.backup / "api" / "api-cert.pem").read_bytes() == old
    assert kit.failures(store) == {}


def test_a_key_that_does_not_fit_stops_setup_and_nothing_is_lost(store: Store) -> None:
    store.files(API).key.write_bytes(key_pem(profile.new_key()))
    before = kit.snapshot(store.root)
    with pytest.raises(Damaged, match=r"api-key\.pem does not fit .*api-cert\.pem") as caught:
        kit.set_up_again(store)
    assert "bringup pki renew api --rekey --force" in caught.value.hint
    assert kit.snapshot(store.root) == before


def test_a_certificate_of_another_generation_stops_setup(store: Store) -> None:
    kit.plant(store, API, kit.Forgery(identity=API), by=Authority.new(100, NOW))
    with pytest.raises(Damaged, match="of another generation") as caught:
        kit.set_up_again(store)
    assert caught.value.hint.startswith("bringup pki renew api --force")


def test_a_ca_key_without_its_certificate_stops_setup(store: Store) -> None:
    store.ca_certificate.unlink()
    with pytest.raises(Damaged, match=r"ca-key\.pem is there, but .*ca-cert\.pem is not"):
        kit.set_up_again(store)


def test_a_ca_of_another_generation_signs_nothing(store: Store) -> None:
    store.ca_key.write_bytes(key_pem(profile.new_key()))
    store.files(API).certificate.unlink()
    with pytest.raises(Damaged, match="different generations"):
        kit.set_up_again(store)


def test_leaves_without_any_ca_stop_setup(store: Store) -> None:
    store.ca_certificate.unlink()
    store.ca_key.unlink()
    with pytest.raises(Damaged, match="there are certificates of redis, worker, api") as caught:
        kit.set_up_again(store)
    assert "setup --force" in caught.value.hint


def test_a_ca_that_cannot_be_read_is_no_reason_for_a_new_one(store: Store) -> None:
    store.ca_certificate.write_text("rubbish")
    with pytest.raises(Damaged, match="no readable certificate") as caught:
        kit.set_up_again(store)
    assert "restore it from a backup" in caught.value.hint
    assert store.ca_certificate.read_text() == "rubbish"


def test_a_foreign_ca_without_key_identifier_signs_nothing(store: Store) -> None:
    key = profile.new_key()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "old CA")])
    old = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW)
        .not_valid_after(NOW + timedelta(days=9))
        .sign(key, hashes.SHA256())
    )
    store.ca_certificate.write_bytes(pem(old))
    store.ca_key.write_bytes(key_pem(key))
    store.files(API).certificate.unlink()
    store.files(API).key.unlink()
    with pytest.raises(Damaged):
        kit.set_up_again(store)
    with pytest.raises(Damaged, match="no subject key identifier"), kit.open_session(store) as session:
        session.issue(W2, ())


def test_an_expired_ca_signs_nothing_and_hints_at_the_fix(tmp_path: Path) -> None:
    store = kit.init_pki(tmp_path / "pki", ca_days=10, days=10)
    store.files(API).certificate.unlink()
    with pytest.raises(Refused, match="the CA has expired") as caught:
        kit.set_up_again(store, NOW + timedelta(days=11))
    assert "setup --force" in caught.value.hint


def test_a_clock_before_the_ca_signs_nothing_and_is_named(store: Store) -> None:
    store.files(API).certificate.unlink()
    with pytest.raises(Refused, match="this machine's clock shows 2026-05-01") as caught:
        kit.set_up_again(store, NOW - timedelta(days=31))
    assert "timedatectl" in caught.value.hint


def test_a_broken_certificate_stops_setup_and_is_not_overwritten(store: Store) -> None:
    path = store.files(API).certificate
    path.write_text("something else")
    with pytest.raises(Damaged, match="holds no readable certificate"):
        kit.set_up_again(store)
    assert path.read_text() == "something else"


def test_an_open_ca_key_signs_nothing(store: Store) -> None:
    store.ca_key.chmod(0o644)
    store.files(API).certificate.unlink()
    with pytest.raises(Damaged, match="mode 0644") as caught:
        kit.set_up_again(store)
    assert caught.value.hint == f"chmod 600 {store.ca_key}"


def test_a_revoked_certificate_is_left_alone_and_named(store: Store) -> None:
    with kit.open_session(store) as session:
        session.revoke(session.ledger.find("worker")[0], "superseded")
        session.publish_crl()
        session.commit()
    outcome = kit.set_up_again(store)
    assert "worker" in outcome.kept
    assert "bringup pki issue worker --name worker" in outcome.notes[0]


def test_force_makes_new_keys_for_all_and_keeps_the_old_generation(store: Store) -> None:
    with kit.open_session(store) as session:
        issue(session, W2)
    old = {name: data for name, data in kit.snapshot(store.root).items() if not name.startswith("ca/state")}
    with kit.open_session(store) as session:
        outcome = start_over(session, kit.WANTED)
    assert outcome.backup
    assert kit.snapshot(outcome.backup) == old
    new = kit.snapshot(store.root)
    assert all(new[name] != data for name, data in old.items())
    assert kit.failures(store) == {}
    assert len(store.ledger().entries) == 8


def test_force_certifies_the_key_of_a_machine_that_keeps_it(store: Store) -> None:
    with kit.open_session(store) as session:
        issue(session, W2)
    key = kit.certificate_of(store, W2).public_key()
    store.files(W2).key.unlink()
    assert "carry" in force(store)[0]
    assert kit.certificate_of(store, W2).public_key() == key
    assert kit.failures(store) == {}


@pytest.mark.parametrize("lost", [["ca_key"], ["ca_key", "ledger_file"], ["ca_certificate"], ["ledger_file"]])
def test_force_works_whatever_of_the_ca_is_lost(store: Store, lost: list[str]) -> None:
    for name in lost:
        getattr(store, name).unlink()
    force(store)
    assert kit.failures(store) == {}


def test_setup_on_a_machine_that_merely_trusts_the_ca_makes_nothing(store: Store) -> None:
    for path in (store.ca_key, store.ledger_file, store.files(API).key, store.files(API).certificate):
        path.unlink()
    before = kit.snapshot(store.root)
    with pytest.raises(Refused, match="not the CA's machine"):
        kit.set_up_again(store)
    assert kit.snapshot(store.root) == before


def test_force_is_refused_during_a_rollover(store: Store) -> None:
    from pki import rollover  # noqa: PLC0415 - only this test

    with kit.open_session(store) as session:
        rollover.start(session)
    with pytest.raises(Refused, match="rollover is under way"):
        force(store)


def test_the_ca_key_is_encrypted_and_signs_only_with_its_passphrase(tmp_path: Path) -> None:
    store = kit.init_pki(tmp_path / "pki", passphrase="correct horse")
    assert is_encrypted(store.ca_key.read_bytes())
    assert b"correct horse" not in b"".join(kit.snapshot(store.root).values())
    store.files(API).certificate.unlink()
    for passphrase, message in ((None, "there is no passphrase"), ("wrong", "the passphrase is wrong")):
        with (
            pytest.raises(CaKeyLocked, match=message) as caught,
            kit.open_session(store, passphrase=passphrase) as session,
        ):
            session.issue(W2, ())
        assert "wrong" not in caught.value.hint.replace("right", "")
    kit.set_up_again(store, passphrase="correct horse")
    assert kit.failures(store) == {}


def test_a_new_generation_is_encrypted_like_the_old_one(tmp_path: Path) -> None:
    store = kit.init_pki(tmp_path / "pki", passphrase="correct horse")
    with pytest.raises(CaKeyLocked, match="the next key must be too"):
        force(store)
    force(store, passphrase="correct horse")
    assert is_encrypted(store.ca_key.read_bytes())


def test_the_bundle_is_the_leaf_followed_by_its_ca(store: Store) -> None:
    for identity in (REDIS, WORKER, API):
        found = x509.load_pem_x509_certificates(store.files(identity).bundle.read_bytes())
        assert found == [kit.certificate_of(store, identity), *store.authorities()]
        assert store.files(identity).bundle.read_bytes() == pem(*found)
