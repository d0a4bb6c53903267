"""The CA renews what is due, known and unchanged, and nothing else; a kill between any two lines loses nothing."""

import hashlib
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Any, cast

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from pydantic import BaseModel

from bringup.connections.api_client import ApiClient
from bringup.errors import ApiRejected
from bringup.wire.site import EnrollmentDecision, HeldCertificate, HostReport, HostView, TrustView
from bringup_cli.site.decide import check_hosts, read_reports
from bringup_cli.site.registry import Registry
from bringup_cli.site.sign import Pass, prepare, run_pass
from pki import authority, rollover
from pki.authority import key_id
from pki.crl import revoke
from pki.errors import Refused
from pki.names import Identity, Role, identity_of
from pki.store import Stage, Store
from tests.unit.bringup_cli.renewal.kit import LATER, R1, W1, W1_HOST, FakeApi, asked, at_ca, enrolled
from tests.unit.pki.kit import NOW, open_session


class KilledHere(Exception):
    """The process dies."""


@pytest.fixture
def site(store: Store) -> Registry:
    return enrolled(store)


@pytest.fixture
def api() -> FakeApi:
    return FakeApi()


def run(store: Store, api: FakeApi) -> Pass:
    with at_ca(store) as session:
        prepare(session)
    return run_pass(partial(at_ca, store), cast("ApiClient", api))


def issued(store: Store, identity: Identity) -> int:
    return sum(entry.identity == identity for entry in store.ledger().entries)


@pytest.mark.usefixtures("site")
def test_what_is_due_and_known_is_signed_for_the_key_of_the_request(store: Store, api: FakeApi) -> None:
    mine = asked(store, W1)
    api.ask(mine)
    assert run(store, api).signed == [W1.dns]
    certificate = x509.load_pem_x509_certificate(api.decided[mine.id].certificate.encode())
    assert certificate.public_key() == x509.load_pem_x509_csr(mine.request.encode()).public_key()
    assert identity_of(certificate) == W1
    assert store.certificate(W1) == certificate
    assert not store.files(W1).key.exists()  # it is on the host alone


@pytest.mark.usefixtures("site")
def test_a_host_renews_the_certificates_of_its_servers_with_its_own(store: Store, api: FakeApi) -> None:
    api.ask(asked(store, R1, Identity(Role.HOST, "r1")))
    assert run(store, api).signed == [R1.dns]


@pytest.mark.usefixtures("site")
def test_a_host_renews_nothing_of_another_host(store: Store, api: FakeApi) -> None:
    api.ask(asked(store, R1, W1_HOST))
    done = run(store, api)
    assert not done.signed
    assert "no identity of that host" in done.refused[R1.dns]


@pytest.mark.usefixtures("site")
def test_changed_names_are_refused(store: Store, api: FakeApi) -> None:
    more = (x509.DNSName(R1.dns), x509.DNSName("r1.example.net"), x509.DNSName("api.example.net"))
    api.ask(asked(store, R1, Identity(Role.HOST, "r1"), sans=more))
    assert "have changed" in run(store, api).refused[R1.dns]


@pytest.mark.usefixtures("site")
def test_a_certificate_that_is_not_known_or_of_another_identity_opens_nothing(store: Store, api: FakeApi) -> None:
    for number, change in enumerate(({"presenter_serial": "ABCDEF"}, {"presenter": R1.dns}), start=1):
        api.ask(asked(store, W1, number=number).model_copy(update=change))
    done = run(store, api)
    assert not done.signed
    assert all("not known here" in decision.reason for decision in api.decided.values())


@pytest.mark.usefixtures("site")
def test_only_the_certificate_of_the_host_renews_another_identity(store: Store, api: FakeApi) -> None:
    api.ask(asked(store, W1_HOST, W1))  # of the same host, by its worker
    assert "no identity of that host" in run(store, api).refused[W1_HOST.dns]


@pytest.mark.usefixtures("site")
def test_what_has_its_key_at_the_ca_is_renewed_there(store: Store, api: FakeApi) -> None:
    own = Identity(Role.WORKER, "worker")
    with open_session(store, NOW, days=30) as session:
        session.issue(own, ())
        session.commit()
    api.ask(asked(store, own))
    assert "is renewed where its key is" in run(store, api).refused[own.dns]


@pytest.mark.usefixtures("site")
def test_a_request_for_two_identities_at_once_is_refused(store: Store, api: FakeApi) -> None:
    api.ask(asked(store, W1, sans=(x509.DNSName(W1.dns), x509.DNSName(R1.dns))))
    assert "no identity of this PKI, or more than one" in run(store, api).refused[W1.dns]


@pytest.mark.usefixtures("site")
def test_a_certificate_that_has_ended_renews_nothing(store: Store, api: FakeApi) -> None:
    with open_session(store, NOW, days=1) as session:
        session.issue(W1, ())
        session.commit()
    api.ask(asked(store, W1))
    assert "was revoked or has ended" in run(store, api).refused[W1.dns]


@pytest.mark.usefixtures("site")
def test_the_revoked_get_nothing(store: Store, api: FakeApi) -> None:
    mine = asked(store, W1)
    with open_session(store, NOW) as session:
        revoke(session, W1.dns, "key-compromise")
    api.ask(mine)
    assert "revoked" in run(store, api).refused[W1.dns]


def test_no_identity_of_a_revoked_host_is_renewed(store: Store, api: FakeApi, site: Registry) -> None:
    gone = site.hosts["w1"].model_copy(update={"revoked_at": NOW})
    with open_session(store, NOW) as session:
        site.with_host(gone).put(session)
        session.commit()
    api.ask(asked(store, W1))
    assert "w1 was revoked" in run(store, api).refused[W1.dns]


@pytest.mark.usefixtures("site")
def test_what_is_not_due_is_refused(store: Store, api: FakeApi) -> None:
    api.ask(asked(store, W1))
    run(store, api)
    api.ask(asked(store, W1, number=2))  # with the new certificate
    assert "not due before" in run(store, api).refused[W1.dns]
    assert issued(store, W1) == 2


@pytest.mark.usefixtures("site")
def test_a_kill_between_any_two_lines_loses_nothing_and_signs_once(store: Store) -> None:
    for number in range(1, 60):
        api, dies_at, mine = FakeApi(), number, asked(store, W1, number=number)
        before = issued(store, W1)
        counter = iter(range(1, 1000))

        def step(_name: str = "", counter: object = counter, dies_at: int = dies_at) -> None:
            if next(counter) == dies_at:  # type: ignore[call-overload] # an iterator
                raise KilledHere

        api.before_put = step
        api.ask(mine)
        with suppress(KilledHere):
            run_pass(partial(at_ca, store, step=step), cast("ApiClient", api))
        survived = next(counter) <= dies_at
        api.before_put = lambda: None
        run_pass(partial(at_ca, store), cast("ApiClient", api))
        assert api.decided[mine.id].certificate, api.decided[mine.id]
        assert issued(store, W1) == before + 1
        if survived:
            return
        make_due(store)
    pytest.fail("the pass has more steps than were tried")


@pytest.mark.usefixtures("site")
def test_two_passes_at_once_sign_once(store: Store) -> None:
    class SlowApi(FakeApi):
        """While one pass has its list of requests, another one begins and ends."""

        def get(self, path: str, reply: type[BaseModel]) -> Any:
            found = super().get(path, reply)
            if path == "/enrollments" and not self.decided:
                self.decided = {"": EnrollmentDecision()}
                run(store, self)
                self.decided.pop("")
            return found

        def put(self, path: str, body: Any, reply: type[BaseModel]) -> TrustView:
            if path.rpartition("/")[2] in self.decided:
                raise ApiRejected("there is no such request", kind="not_found")
            return super().put(path, body, reply)

    api, mine, before = SlowApi(), asked(store, W1), issued(store, W1)
    api.ask(mine)
    run(store, api)
    assert issued(store, W1) == before + 1
    present = store.certificate(W1)
    assert present
    assert api.decided[mine.id].certificate == authority.pem(present).decode()


@pytest.mark.usefixtures("site")
def test_a_request_that_is_played_back_gets_the_certificate_that_it_had(store: Store, api: FakeApi) -> None:
    mine = asked(store, W1)
    for number in (1, 2):
        api.ask(mine.model_copy(update={"id": f"{number:064x}"}))
        run(store, api)
    assert issued(store, W1) == 2  # when it was enrolled, and now
    assert len({decision.certificate for decision in api.decided.values()}) == 1


@pytest.mark.usefixtures("site")
def test_a_request_that_cannot_be_read_does_not_keep_the_others_from_being_signed(store: Store, api: FakeApi) -> None:
    for number, change in enumerate(({"presenter_serial": "no number"}, {"request": "none"}, {}), start=1):
        api.ask(asked(store, W1, number=number).model_copy(update=change))
    done = run(store, api)
    assert done.signed == [W1.dns]
    assert api.decided[f"{1:064x}"].reason == "the request cannot be read"


def make_due(store: Store) -> None:
    """The certificate of w1 is again one that began long ago."""
    with open_session(store, NOW, days=30) as session:
        session.issue(W1, ())
        session.commit()


def reported(store: Store) -> HostView:
    """w1 has what the CA has issued to it, and trusts what it trusts."""
    held = {}
    for identity in (W1, W1_HOST):
        certificate = store.certificate(identity)
        assert certificate
        aki = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier or b""
        held[identity.dns] = HeldCertificate(
            serial=f"{certificate.serial_number:X}", issuer=aki.hex(), ends=certificate.not_valid_after_utc
        )
    anchors = [hashlib.sha256(one.public_bytes(Encoding.DER)).hexdigest() for one in store.authorities()]
    return HostView(name="w1", at=LATER, report=HostReport(anchors=tuple(anchors), certificates=held))


def only_w1(store: Store) -> None:
    registry = Registry.read(store)
    with open_session(store, NOW) as session:
        registry.model_copy(update={"hosts": {"w1": registry.hosts["w1"]}}).put(session)
        session.commit()


@pytest.mark.usefixtures("site")
def test_a_rollover_waits_until_every_host_trusts_both_cas(store: Store, api: FakeApi) -> None:
    only_w1(store)
    old = reported(store)
    with at_ca(store) as session:
        rollover.start(session)
    done = run(store, api)
    assert done.stage is Stage.TRUST
    assert done.waits_for == ["w1: it has not reported yet: is the timer of `bringup site renew` running there?"]
    api.reports = (old,)
    assert run(store, api).waits_for == ["w1: it does not trust both CAs yet"]
    assert set(read_reports(store)) == {"w1"}
    with at_ca(store) as session, pytest.raises(Refused, match="w1: it does not trust both CAs yet"):
        check_hosts(session)
    api.reports = (reported(store),)
    assert run(store, api).stage is Stage.CLIENTS


@pytest.mark.usefixtures("site")
def test_the_old_ca_is_dropped_only_when_every_host_has_certificates_of_the_new_one(store: Store, api: FakeApi) -> None:
    only_w1(store)
    with at_ca(store) as session:
        rollover.start(session)
    api.reports = (behind := reported(store),)
    assert run(store, api).stage is Stage.CLIENTS
    assert run(store, api).waits_for == [f"w1: {W1.dns} has no certificate of the new CA yet"]
    api.reports = (reported(store),)  # the CA has certified the keys of w1 anew
    assert run(store, api).stage is Stage.SERVERS
    api.reports = (behind,)
    assert run(store, api).stage is Stage.SERVERS
    with at_ca(store) as session:
        new = session.authority.certificate
    revoke_others(store)
    api.reports = (reported(store),)
    done = run(store, api)
    assert done.waits_for == []
    assert done.stage is None
    assert store.authorities() == (new,)
    assert api.trust[-1].issuer == key_id(new)


def revoke_others(store: Store) -> None:
    """What is not of w1: nobody carries its files."""
    for identity in (R1, Identity(Role.HOST, "r1")):
        with at_ca(store) as session:
            revoke(session, identity.dns, "unspecified")


@pytest.mark.usefixtures("site")
def test_identities_of_no_host_keep_the_old_ca_until_a_person_finishes(store: Store, api: FakeApi) -> None:
    only_w1(store)
    with at_ca(store) as session:
        rollover.start(session)
    for _ in range(2):
        api.reports = (reported(store),)
        run(store, api)
    api.reports = (reported(store),)
    done = run(store, api)
    assert done.stage is Stage.SERVERS
    assert any(R1.dns in line and "rollover finish" in line for line in done.waits_for)


@pytest.mark.usefixtures("site")
def test_the_cas_own_certificate_is_renewed_by_its_own_timer(store: Store) -> None:
    ca = Identity(Role.CA, "ca")
    before = store.certificate(ca)
    with at_ca(store) as session:
        prepare(session)
    after = store.certificate(ca)
    assert before
    assert after
    assert after.not_valid_after_utc > before.not_valid_after_utc + timedelta(days=20)
