from datetime import timedelta
from pathlib import Path

import pytest

from pki import profile, renew
from pki.authority import Authority, key_pem
from pki.crl import read_crls, revoke
from pki.issue import issue
from pki.names import Identity, sans_of
from pki.renew import Renewal, is_due
from pki.store import Store
from tests.unit.pki import kit
from tests.unit.pki.kit import API, NOW, REDIS, W2, WORKER

DAY = timedelta(days=1)


def renewed(
    store: Store, days: int, *only: Identity, force: bool = False, rekey: bool = False, ca_days: int = 3650
) -> dict[str, Renewal]:
    with kit.open_session(store, NOW + days * DAY, ca_days=ca_days) as session:
        plan = list(renew.plan(session, only or tuple(store.identities()), renew_days=30, force=force, rekey=rekey))
        renew.apply(session, [one for one in plan if one.due], rekey=rekey)
        if renew.crl_is_due(session):
            session.publish_crl()
        session.commit(backup=rekey)
    return {str(one.identity): one for one in plan}


@pytest.mark.parametrize(
    ("validity", "age", "due"),
    [(90, 59, False), (90, 60, True), (3650, 2433, False), (3650, 2434, True), (40, 11, True)],
)
def test_renewal_is_due_past_two_thirds_of_validity_or_under_thirty_days(validity: int, age: int, due: bool) -> None:  # noqa: FBT001
    assert is_due(NOW, NOW + validity * DAY, NOW + age * DAY, 30) is due


def test_what_is_not_due_is_left_alone_byte_for_byte(store: Store) -> None:
    before = kit.snapshot(store.root)
    assert not any(one.due for one in renewed(store, 30).values())
    assert kit.snapshot(store.root) == before


def test_nothing_due_needs_no_ca_key(store: Store) -> None:
    store.ca_key.unlink()
    assert not any(one.due for one in renewed(store, 30).values())


def test_renewal_keeps_key_and_names(store: Store) -> None:
    before = {one: kit.certificate_of(store, one) for one in (REDIS, WORKER, API)}
    keys = {one: store.files(one).key.read_bytes() for one in before}
    renewed(store, 61)
    for one, old in before.items():
        new = kit.certificate_of(store, one)
        assert (new.public_key(), sans_of(new)) == (old.public_key(), sans_of(old))
        assert new.serial_number != old.serial_number
        assert store.files(one).key.read_bytes() == keys[one]
    assert kit.failures(store, NOW + 140 * DAY) == {}


def test_renewal_renews_the_list_of_revoked_certificates(store: Store) -> None:
    renewed(store, 61)
    assert store.ledger().crl_number == 2


@pytest.mark.parametrize(
    ("hours", "due"),
    [(0, False), (55, False), (57, True), (7 * 24 + 1, True)],  # a third of 7 days is 56 hours
)
def test_the_list_of_seven_days_is_renewed_after_a_third_of_them(tmp_path: Path, *, hours: int, due: bool) -> None:
    store = kit.init_pki(tmp_path / "pki", crl_days=7)
    with kit.open_session(store, NOW + timedelta(hours=hours), crl_days=7) as session:
        assert renew.crl_is_due(session) is due


def test_a_list_that_was_made_for_longer_than_is_wanted_now_is_renewed(tmp_path: Path) -> None:
    store = kit.init_pki(tmp_path / "pki", crl_days=3650)
    with kit.open_session(store, crl_days=7) as session:
        assert renew.crl_is_due(session)
        session.publish_crl()
        session.commit()
    (fresh,) = read_crls(store.ca_crl)
    assert fresh.next_update_utc == NOW + 7 * DAY
    with kit.open_session(store, crl_days=7) as session:
        assert not renew.crl_is_due(session)


def test_a_list_that_ends_with_its_ca_is_not_renewed_again_and_again(tmp_path: Path) -> None:
    store = kit.init_pki(tmp_path / "pki", ca_days=3, crl_days=7)
    with kit.open_session(store, NOW + DAY, ca_days=3, crl_days=7) as session:
        assert not renew.crl_is_due(session)


def test_rekey_makes_a_new_key_and_keeps_the_old_one_aside(store: Store) -> None:
    old = store.files(WORKER).key.read_bytes()
    renewed(store, 61, WORKER, rekey=True)
    assert store.files(WORKER).key.read_bytes() != old
    assert [path.read_bytes() for path in (store.state / "old").rglob("worker-key.pem")] == [old]
    assert kit.failures(store, NOW + 61 * DAY) == {}


def test_a_forced_renewal_renews_what_is_not_due(store: Store) -> None:
    assert renewed(store, 1, API, force=True)["api"].due
    assert kit.certificate_of(store, API).not_valid_after_utc == NOW + 91 * DAY


def test_an_expired_certificate_is_renewed(store: Store) -> None:
    assert renewed(store, 200)["api"].reason == "expired"
    assert kit.failures(store, NOW + 200 * DAY) == {}


@pytest.mark.parametrize("force", [False, True])
def test_a_revoked_certificate_is_never_renewed(store: Store, force: bool) -> None:  # noqa: FBT001
    with kit.open_session(store) as session:
        revoke(session, "worker", "key-compromise")
    before = store.files(WORKER).certificate.read_bytes()
    found = renewed(store, 61, force=force)["worker"]
    assert (found.due, found.attention) == (False, True)
    assert "never renewed" in found.reason
    assert store.files(WORKER).certificate.read_bytes() == before


def test_a_key_that_was_revoked_under_an_older_serial_is_renewed_only_with_a_new_key(store: Store) -> None:
    older = store.ledger().find("worker")[0].serial
    renewed(store, 1, WORKER, force=True)
    with kit.open_session(store) as session:
        revoke(session, older, "superseded")
    for force in (False, True):
        found = renewed(store, 62, force=force)
        assert (found["worker"].due, found["worker"].attention) == (False, True)
        assert found["api"].due
    assert renewed(store, 62, WORKER, force=True, rekey=True)["worker"].due
    assert ("worker", "revocation") not in kit.failures(store)


def test_a_certificate_of_a_foreign_ca_is_left_alone_unless_forced(store: Store) -> None:
    kit.plant(store, REDIS, kit.Forgery(), by=Authority.new(100, NOW))
    found = renewed(store, 61, REDIS)["redis"]
    assert (found.due, found.attention) == (False, True)
    renewed(store, 61, REDIS, force=True)
    assert ("redis", "chain") not in kit.failures(store, NOW + 61 * DAY)


def test_renewal_near_the_end_of_the_ca_does_not_repeat_every_night(tmp_path: Path) -> None:
    store = kit.init_pki(tmp_path / "pki", ca_days=100, days=90)
    assert renewed(store, 61, ca_days=100)["api"].due
    assert kit.certificate_of(store, API).not_valid_after_utc == NOW + 100 * DAY
    before = kit.snapshot(store.root)
    found = renewed(store, 95)["api"]
    assert (found.due, found.attention) == (False, True)
    assert "rollover start" in found.reason
    assert kit.snapshot(store.root) == before


def test_a_key_that_does_not_fit_is_not_hidden_by_a_renewal(store: Store) -> None:
    store.files(API).key.write_bytes(key_pem(profile.new_key()))
    found = renewed(store, 61)
    assert (found["api"].due, found["api"].attention) == (False, True)
    assert "does not fit" in found["api"].reason
    assert found["redis"].due
    renewed(store, 61, API, rekey=True)
    assert ("api", "match") not in kit.failures(store)


def test_the_certificate_of_a_machine_that_keeps_its_key_is_renewed_without_it(store: Store) -> None:
    with kit.open_session(store) as session:
        issue(session, W2)
    store.files(W2).key.unlink()
    key = kit.certificate_of(store, W2).public_key()
    assert renewed(store, 61)["worker/w2"].due
    assert kit.certificate_of(store, W2).public_key() == key


def test_a_new_key_is_never_made_for_a_machine_that_keeps_its_own(store: Store) -> None:
    with kit.open_session(store) as session:
        issue(session, W2)
    store.files(W2).key.unlink()
    found = renewed(store, 61, rekey=True)
    assert (found["worker/w2"].due, found["worker/w2"].attention) == (False, True)
    assert found["worker"].due
    assert not store.files(W2).key.exists()


@pytest.mark.parametrize(("text", "words"), [(None, "nothing to renew"), ("rubbish", "no readable certificate")])
def test_what_is_damaged_is_named_and_does_not_keep_the_others_from_renewal(
    store: Store, text: str | None, words: str
) -> None:
    path = store.files(API).certificate
    path.unlink() if text is None else path.write_text(text)
    found = renewed(store, 61)
    assert (found["api"].due, found["api"].attention) == (False, True)
    assert words in found["api"].reason
    assert found["redis"].due
    assert found["worker"].due
