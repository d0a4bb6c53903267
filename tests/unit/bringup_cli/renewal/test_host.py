"""A host renews what is due with a new key, keeps the key until it is answered, and takes nothing else."""

import base64
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from cryptography import x509

from api.est.requests import certs_only
from bringup.connections.api_client import ApiClient
from bringup.errors import ApiRejected, ApiUnavailable
from bringup.settings import Settings
from bringup.wire.site import HostReport, TrustView
from bringup_cli.site import enroll
from bringup_cli.site.host_files import HostFolder
from bringup_cli.site.join import join
from bringup_cli.site.renewal import HostPass, run_pass
from pki import rollover
from pki.authority import fits, key_id, read_key
from pki.errors import Locked
from pki.files import exclusive_lock, read
from pki.names import Identity, sans_of
from pki.store import Store
from tests.unit.bringup_cli.renewal.kit import LATER, R1, W1, W1_HOST, at_ca, enrolled
from tests.unit.pki.kit import NOW, init_pki, open_session

# PKCS #7 with an empty list of certificates. Source: RFC 5652 s.5.1
NOTHING = bytes.fromhex("302506092a864886f70d010702a01830160201013100300b06092a864886f70d010701a0003100")
Answer = Callable[[x509.CertificateSigningRequest], bytes | None]


class FakeApi:
    """Answers by what the CA has, and as a test says."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.asked: list[x509.CertificateSigningRequest] = []
        self.reports: list[HostReport] = []
        self.answer: Answer = lambda _request: None
        self.cacerts = certs_only(*store.authorities())
        self.issuer = key_id(store.authorities()[0])

    def put(self, _path: str, body: HostReport, _reply: type[TrustView]) -> TrustView:
        self.reports.append(body)
        return TrustView(published=True, issuer=self.issuer)

    def get_text(self, _path: str) -> bytes:
        return read(self.store.ca_crl)

    def est(self, path: str, request: bytes | None = None) -> bytes | None:
        if path == "/cacerts":
            return self.cacerts
        assert request
        self.asked.append(x509.load_der_x509_csr(base64.b64decode(request)))
        return self.answer(self.asked[-1])


def signing(store: Store, identity: Identity) -> Answer:
    """The CA signs for this identity, whatever was asked for."""

    def sign(request: x509.CertificateSigningRequest) -> bytes:
        with at_ca(store) as session:
            certificate = session.sign(identity, sans_of(request), request.public_key())
            session.commit()
        return certs_only(certificate)

    return sign


def as_asked(store: Store) -> Answer:
    names = {W1.dns: W1, W1_HOST.dns: W1_HOST}
    return lambda request: signing(store, names[str(sans_of(request)[0].value)])(request)


@pytest.fixture
def host(store: Store, tmp_path: Path) -> HostFolder:
    registry = enrolled(store)
    w1 = registry.hosts["w1"]
    settings = Settings(redis_use_tls=True, api_use_tls=True, pki_dir=store.root)
    files = enroll.bundle_files(store, registry, settings, w1, with_keys=True)
    join(tmp_path / "w1", enroll.manifest_of(w1, NOW), files, NOW)
    return HostFolder.read(tmp_path / "w1")


@pytest.fixture
def api(store: Store, host: HostFolder) -> FakeApi:
    assert host.identities
    return FakeApi(store)


def renew(host: HostFolder, api: FakeApi, *, early: bool = False) -> HostPass:
    return run_pass(host, cast("ApiClient", api), lambda: NOW + timedelta(days=1) if early else LATER)


def fits_everywhere(host: HostFolder) -> bool:
    pairs = [(host.files(one).key, host.certificate(one)) for one in host.identities]
    return all(fits(read_key(key), certificate) for key, certificate in pairs)


def test_nothing_is_asked_for_before_it_is_due(host: HostFolder, api: FakeApi) -> None:
    done = renew(host, api, early=True)
    assert (api.asked, done.problems, done.trust) == ([], [], [])
    assert set(api.reports[0].certificates) == {W1.dns, W1_HOST.dns}


def test_what_is_due_is_renewed_with_a_new_key(host: HostFolder, api: FakeApi) -> None:
    before = {one: host.certificate(one) for one in host.identities}
    api.answer = as_asked(api.store)
    done = renew(host, api)
    assert done.problems == []
    assert done.renewed == [W1.dns, W1_HOST.dns]
    for identity, certificate in before.items():
        assert host.certificate(identity).public_key() != certificate.public_key()
        assert sans_of(host.certificate(identity)) == sans_of(certificate)
    assert fits_everywhere(host)
    assert len(api.reports) == 2  # before, and what is there now
    assert renew(host, api).renewed == []


def test_the_same_key_is_asked_for_until_it_is_answered(host: HostFolder, api: FakeApi) -> None:
    for _ in range(2):
        assert renew(host, api).waiting == [W1.dns, W1_HOST.dns]
    first, second = api.asked[0], api.asked[2]
    assert first.tbs_certrequest_bytes == second.tbs_certrequest_bytes
    assert fits_everywhere(host)


def test_a_pass_that_was_killed_after_the_files_were_replaced_does_not_make_the_next_one_keep_the_key(
    host: HostFolder, api: FakeApi
) -> None:
    api.answer = as_asked(api.store)
    renew(host, api)
    in_use = read_key(host.files(W1).key)
    host.pending(W1).write_bytes(read(host.files(W1).key))  # as it is before the last step of a pass
    host.pending(W1).chmod(0o600)
    api.issuer = "ab"  # another CA signs now
    api.asked.clear()
    renew(host, api)
    assert api.asked[0].public_key() != in_use.public_key()


def test_after_a_refusal_another_key_is_asked_for(host: HostFolder, api: FakeApi) -> None:
    def refuse(_request: x509.CertificateSigningRequest) -> bytes:
        raise ApiRejected("the CA does not renew it", kind="forbidden")

    api.answer = refuse
    for _ in range(2):
        assert renew(host, api).problems == ["the CA does not renew it"] * 2
    assert api.asked[0].public_key() != api.asked[2].public_key()


def test_an_api_that_is_away_changes_nothing(host: HostFolder, api: FakeApi) -> None:
    def away(*_: Any) -> Any:
        raise ApiUnavailable("away")

    api.answer = away
    before = host.certificate(W1)
    assert renew(host, api).problems == ["away"] * 2
    assert host.certificate(W1) == before


def test_a_certificate_for_another_identity_or_key_or_of_another_ca_is_refused(
    host: HostFolder, api: FakeApi, tmp_path: Path
) -> None:
    before = {one: host.certificate(one) for one in host.identities}
    foreign = enrolled_elsewhere(tmp_path / "foreign")
    stale = certs_only(before[W1])
    for answer in (signing(api.store, R1), signing(foreign, W1), lambda _request: stale):
        api.answer = answer
        done = renew(host, api)
        assert done.renewed == []
        assert len(done.problems) == 2
    assert before == {one: host.certificate(one) for one in host.identities}
    assert fits_everywhere(host)


def enrolled_elsewhere(root: Path) -> Store:
    store = init_pki(root)
    enrolled(store)
    return store


def test_a_rollover_arrives_anchors_and_lists_at_once(host: HostFolder, api: FakeApi) -> None:
    with open_session(api.store, LATER) as session:
        rollover.start(session)
    with open_session(api.store, LATER) as session:
        anchors, vouchers = session.trusted, rollover.vouchers(session)
    api.cacerts = certs_only(*anchors, *vouchers)
    done = renew(host, api)
    assert sorted(done.trust) == ["ca-cert.pem", "ca-crl.pem"]
    assert host.anchors() == list(anchors)
    api.issuer = key_id(anchors[1])
    assert renew(host, api, early=True).waiting == [W1.dns, W1_HOST.dns]  # not due, but of the old CA


def test_a_ca_of_an_api_that_was_taken_over_is_refused(host: HostFolder, api: FakeApi, tmp_path: Path) -> None:
    foreign = enrolled_elsewhere(tmp_path / "foreign")
    before = host.anchors()
    api.cacerts = certs_only(*before, *foreign.authorities())
    assert any("none of the present ones has certified" in problem for problem in renew(host, api).problems)
    assert host.anchors() == before


@pytest.mark.parametrize(
    ("answer", "why"),
    [(b"A" * (129 << 10), "more than 128 KiB"), (base64.b64encode(NOTHING), "sent no certificate")],
    ids=["large", "empty"],
)
def test_an_answer_of_any_size_or_of_nothing_changes_nothing(
    host: HostFolder, api: FakeApi, answer: bytes, why: str
) -> None:
    before = {one: host.certificate(one) for one in host.identities}
    api.answer = lambda _request: answer
    problems = renew(host, api).problems
    assert len(problems) == len(before)
    assert all(why in problem for problem in problems)
    assert before == {one: host.certificate(one) for one in host.identities}


def test_two_passes_at_once_do_not_ask_with_two_keys(host: HostFolder, api: FakeApi) -> None:
    with exclusive_lock(host.lock(), "the first"), pytest.raises(Locked, match="the first"):
        renew(host, api)
    assert api.asked == []
