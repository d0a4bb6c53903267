from datetime import timedelta

import pytest
from cryptography import x509

from pki.crl import read_crls, rebuild_ledger, revoke
from pki.errors import Damaged, InvalidInput, Refused
from pki.issue import issue
from pki.ledger import REASONS, Ledger, serial_text
from pki.names import Identity, Role
from pki.store import Store
from tests.unit.pki import kit
from tests.unit.pki.kit import NOW, W2, WORKER


def crl(store: Store) -> x509.CertificateRevocationList:
    return read_crls(store.ca_crl)[0]


def revoked(store: Store, who: str, reason: str = "unspecified") -> list[str]:
    with kit.open_session(store) as session:
        return [entry.serial for entry in revoke(session, who, reason)]


def test_a_fresh_list_is_empty_and_signed_by_the_ca(store: Store) -> None:
    authority = store.authorities()[0]
    assert len(crl(store)) == 0
    assert crl(store).is_signature_valid(authority.public_key())  # type: ignore[arg-type]


def test_a_list_is_valid_for_servers_whose_clock_is_behind(store: Store) -> None:
    assert crl(store).last_update_utc == NOW - timedelta(hours=24)


@pytest.mark.parametrize("who", ["worker", "worker/worker", "worker.worker.bringup.internal"])
def test_a_revoked_identity_is_on_the_list(store: Store, who: str) -> None:
    serial = kit.certificate_of(store, WORKER).serial_number
    assert revoked(store, who) == [serial_text(serial)]
    assert crl(store).get_revoked_certificate_by_serial_number(serial) is not None
    assert ("worker", "revocation") in kit.failures(store)


@pytest.mark.parametrize("form", ["{:X}", "{:x}", "0x{:x}", "colons"])
def test_a_serial_number_is_taken_as_tools_print_it(store: Store, form: str) -> None:
    number = kit.certificate_of(store, WORKER).serial_number
    padded = serial_text(number)
    text = ":".join(padded[i : i + 2] for i in range(0, len(padded), 2)) if form == "colons" else form.format(number)
    assert revoked(store, text) == [padded]


@pytest.mark.parametrize(("reason", "flag"), REASONS.items())
def test_the_reason_is_on_the_list_and_unspecified_is_omitted(
    store: Store, reason: str, flag: x509.ReasonFlags
) -> None:
    revoked(store, "worker", reason)
    extensions = [extension.value for one in crl(store) for extension in one.extensions]
    assert extensions == ([] if reason == "unspecified" else [x509.CRLReason(flag)])


def test_every_certificate_of_an_identity_is_revoked_with_it(store: Store) -> None:
    with kit.open_session(store, NOW + timedelta(days=1)) as session:
        session.certify(WORKER, (), kit.certificate_of(store, WORKER).public_key())
        session.commit()
    assert len(revoked(store, "worker")) == 2


def test_revoking_again_keeps_the_first_date_and_reason(store: Store) -> None:
    revoked(store, "worker", "key-compromise")
    assert revoked(store, "worker", "superseded") == []
    entry = store.ledger().find("worker")[0]
    assert entry.reason == "key-compromise"


def test_the_number_of_the_list_grows(store: Store) -> None:
    numbers = []
    for who in ("worker", "redis"):
        revoked(store, who)
        numbers.append(crl(store).extensions.get_extension_for_class(x509.CRLNumber).value.crl_number)
    assert numbers == [2, 3]


def test_files_of_a_revoked_further_identity_are_put_aside(store: Store) -> None:
    with kit.open_session(store) as session:
        issue(session, W2)
    key = store.files(W2).key.read_bytes()
    revoked(store, "w2")
    assert W2 not in store.identities()
    assert [path.read_bytes() for path in (store.state / "old").rglob("w2-key.pem")] == [key]
    assert kit.failures(store) == {}


def test_an_unknown_name_is_refused(store: Store) -> None:
    with pytest.raises(InvalidInput, match="nothing in the ledger"):
        revoked(store, "w9")


def test_a_name_in_two_roles_must_be_said_in_full(store: Store) -> None:
    for role in (Role.WORKER, Role.OPERATOR):
        with kit.open_session(store) as session:
            issue(session, Identity(role, "both"))
    with pytest.raises(InvalidInput, match="operator/both, worker/both"):
        revoked(store, "both")
    assert len(revoked(store, "operator/both")) == 1


def test_a_record_survives_being_written_and_read(store: Store) -> None:
    revoked(store, "worker", "superseded")
    ledger = store.ledger()
    assert Ledger.from_json(ledger.to_json()) == ledger


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"{}", b'{"version": 1}', b'{"version": 9, "certificates": []}'])
def test_a_broken_ledger_stops_every_writer_and_hints_at_the_fix(store: Store, data: bytes) -> None:
    store.ledger_file.write_bytes(data)
    with pytest.raises(Damaged) as caught:
        revoked(store, "worker")
    assert "--rebuild-ledger" in caught.value.hint
    assert store.ledger_file.read_bytes() == data


def test_a_lost_record_is_made_anew_and_remembers_who_was_revoked(store: Store) -> None:
    with kit.open_session(store) as session:
        issue(session, W2)
    lost = kit.certificate_of(store, W2).serial_number
    revoked(store, "w2")
    revoked(store, "worker", "key-compromise")
    store.ledger_file.unlink()
    with kit.open_session(store) as session:
        rebuild_ledger(session)
        session.publish_crl()
        session.commit()
    assert {one.serial_number for one in crl(store)} == {lost, kit.certificate_of(store, WORKER).serial_number}
    assert store.ledger().find("worker")[0].reason == "key-compromise"
    assert store.ledger().crl_number == 4
    assert set(kit.failures(store)) == {("worker", "revocation")}


def test_a_readable_record_is_never_made_anew(store: Store) -> None:
    with pytest.raises(Refused, match="could only lose something"), kit.open_session(store) as session:
        rebuild_ledger(session)
