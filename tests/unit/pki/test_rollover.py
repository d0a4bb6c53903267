from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from pki import journal, renew, rollover
from pki.authority import is_encrypted, signer_of
from pki.check import Status
from pki.crl import read_crls, revoke
from pki.errors import Refused
from pki.issue import issue
from pki.names import Identity, Role
from pki.rollover import Moved
from pki.session import CaSession
from pki.setup import set_up
from pki.store import Stage, Store
from tests.unit.pki import kit
from tests.unit.pki.kit import API, NOW, REDIS, W2, WORKER
from tests.unit.pki.test_journal import Death, Dies

LATER = NOW + timedelta(days=40)
STEPS = (rollover.start, rollover.advance, rollover.advance, rollover.finish)


def step(store: Store, act: Callable[[CaSession], Moved], passphrase: str | None = None) -> Moved:
    with kit.open_session(store, LATER, passphrase=passphrase) as session:
        return act(session)


def signers(store: Store) -> dict[Identity, x509.Name]:
    found = {}
    for identity in store.identities():
        signer = signer_of(kit.certificate_of(store, identity), store.authorities())
        assert signer is not None, f"{identity} is not trusted"
        found[identity] = signer.subject
    return found


def test_each_stage_moves_its_part_and_everything_verifies_all_the_way(store: Store) -> None:
    old = store.authorities()[0]
    keys = {one: store.files(one).key.read_bytes() for one in (REDIS, WORKER, API)}

    assert step(store, rollover.start).stage is Stage.TRUST
    assert kit.failures(store, LATER) == {}
    assert len(store.authorities()) == 2
    assert set(signers(store).values()) == {old.subject}

    moved = step(store, rollover.advance)
    new = next(one for one in store.authorities() if one != old)
    assert (moved.stage, moved.reissued) == (Stage.CLIENTS, [WORKER])
    assert kit.failures(store, LATER) == {}
    assert signers(store) == {REDIS: old.subject, API: old.subject, WORKER: new.subject}

    moved = step(store, rollover.advance)
    assert (moved.stage, moved.reissued) == (Stage.SERVERS, [REDIS, API])
    assert kit.failures(store, LATER) == {}
    assert set(signers(store).values()) == {new.subject}

    assert step(store, rollover.finish).stage is None
    assert store.authorities() == (new,)
    assert kit.failures(store, LATER) == {}
    assert {one: store.files(one).key.read_bytes() for one in keys} == keys


def test_a_rollover_under_way_is_a_warning(store: Store) -> None:
    step(store, rollover.start)
    assert [one.check for one in kit.verified(store, LATER) if one.status is Status.WARN] == ["rollover"]


@pytest.mark.parametrize("done", [0, 1, 2])
def test_no_stage_can_be_skipped(store: Store, done: int) -> None:
    for act in STEPS[:done]:
        step(store, act)
    before = kit.snapshot(store.root)
    with pytest.raises(Refused):
        step(store, rollover.finish)
    assert kit.snapshot(store.root) == before


def test_a_rollover_does_not_start_twice(store: Store) -> None:
    step(store, rollover.start)
    with pytest.raises(Refused, match="under way already"):
        step(store, rollover.start)


def test_nothing_is_left_to_advance_after_the_servers(store: Store) -> None:
    for act in STEPS[:3]:
        step(store, act)
    with pytest.raises(Refused, match="clients and servers have") as caught:
        step(store, rollover.advance)
    assert caught.value.hint == "bringup pki rollover finish"


def test_an_identity_that_would_be_cut_off_stops_the_last_step(store: Store) -> None:
    old = kit.authority_of(store)
    for act in STEPS[:3]:
        step(store, act)
    kit.plant(store, WORKER, kit.Forgery(identity=WORKER), by=old)
    with pytest.raises(Refused, match="cut off: worker"):
        step(store, rollover.finish)


def test_while_it_lasts_both_cas_say_what_they_have_revoked(store: Store) -> None:
    with kit.open_session(store) as session:
        issue(session, W2)
        gone = kit.certificate_of(store, W2).serial_number
    with kit.open_session(store) as session:
        revoke(session, "w2", "superseded")
    for act in STEPS[:3]:
        step(store, act)
        lists = read_crls(store.ca_crl)
        assert len(lists) == 2
        assert [gone in {one.serial_number for one in entries} for entries in lists].count(True) == 1


def test_a_revoked_identity_gets_no_certificate_of_the_new_ca(store: Store) -> None:
    with kit.open_session(store) as session:
        revoke(session, "worker", "key-compromise")
    before = store.files(WORKER).certificate.read_bytes()
    for act in STEPS:
        step(store, act)
    assert store.files(WORKER).certificate.read_bytes() == before


def test_certificates_of_other_machines_are_named_to_be_carried(store: Store) -> None:
    with kit.open_session(store) as session:
        issue(session, W2)
    store.files(W2).key.unlink()
    step(store, rollover.start)
    assert step(store, rollover.advance).carried == [W2]


def test_what_is_issued_and_renewed_on_the_way_is_trusted_on_the_way(store: Store) -> None:
    for number, act in enumerate(STEPS):
        step(store, act)
        with kit.open_session(store, LATER) as session:
            issue(session, Identity(Role.OPERATOR, f"o{number}"))
        with kit.open_session(store, LATER) as session:
            plan = list(renew.plan(session, [API], renew_days=30, force=True))
            renew.apply(session, plan, rekey=False)
            session.commit()
        assert kit.failures(store, LATER) == {}
        assert kit.set_up_again(store, LATER).made == []


def test_an_encrypted_ca_key_stays_encrypted(tmp_path: Path) -> None:
    store = kit.init_pki(tmp_path / "pki", passphrase="a passphrase")
    for act in STEPS:
        step(store, act, passphrase="a passphrase")
        assert all(is_encrypted(path.read_bytes()) for path in store.root.rglob("other-key.pem"))
        assert is_encrypted(store.ca_key.read_bytes())


def test_the_old_ca_key_is_kept_aside_and_nowhere_else(store: Store) -> None:
    old = store.ca_key.read_bytes()
    for act in STEPS:
        step(store, act)
    places = {name.split("/")[2] for name, data in kit.snapshot(store.root).items() if data == old}
    assert places == {"old"}


def test_an_old_ca_that_expires_on_the_way_does_not_block_it(tmp_path: Path) -> None:
    store = kit.init_pki(tmp_path / "pki", ca_days=60, days=50)
    step(store, rollover.start)
    step(store, rollover.advance)
    with kit.open_session(store, NOW + timedelta(days=61)) as session:
        rollover.advance(session)
    with kit.open_session(store, NOW + timedelta(days=61)) as session:
        plan = list(renew.plan(session, [REDIS, API], renew_days=30, force=True))
        renew.apply(session, plan, rekey=False)
        session.commit()
    with kit.open_session(store, NOW + timedelta(days=61)) as session:
        rollover.finish(session)
    assert kit.failures(store, NOW + timedelta(days=61)) == {}


@pytest.mark.parametrize("number", range(len(STEPS)))
def test_each_stage_survives_death_at_every_step(tmp_path: Path, number: int) -> None:
    ready = kit.init_pki(tmp_path / "ready")
    for act in STEPS[:number]:
        step(ready, act)
    before = ready.authorities()
    deaths = 0
    while True:
        store = kit.copy_of(ready, tmp_path / str(deaths))
        try:
            with kit.open_session(store, LATER, step=Dies(deaths)) as session:
                STEPS[number](session)
        except Death:
            decided = journal.interrupted(store.state)
        else:
            break
        with kit.open_session(store, LATER) as session:
            set_up(session, kit.WANTED)
        assert kit.failures(store, LATER) == {}, f"after death at step {deaths}"
        with kit.open_session(store, LATER) as session:
            stage = session.rollover.stage
        reached = (None, Stage.TRUST, Stage.CLIENTS, Stage.SERVERS, None)
        assert stage is reached[number + decided]
        assert (store.authorities() != before) == (decided and number in {0, 3})
        deaths += 1
    assert deaths > 5
