"""Every defect that a TLS library lets pass is found, and nothing is found where there is none."""

import os
import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

from pki import profile
from pki.authority import Authority, key_pem, pem
from pki.check import Status
from pki.checks.pki import verify
from pki.errors import Locked, NotSetUp
from pki.names import Role
from pki.store import Store
from tests.unit.pki import kit
from tests.unit.pki.kit import API, NOW, REDIS, WORKER, Forgery, failures, plant, verified


def test_a_fresh_pki_is_in_order_in_every_check(store: Store) -> None:
    assert {one.status for one in verified(store)} == {Status.OK}


def test_a_forgery_without_a_defect_passes(store: Store) -> None:
    plant(store, REDIS, Forgery())
    assert failures(store) == {}


SERVER, CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH


@pytest.mark.parametrize(
    ("forgery", "check", "words"),
    [
        pytest.param(Forgery(sans=[]), "profile", "no subject alternative name", id="no SAN, CN only"),
        pytest.param(Forgery(ca=True), "profile", "CA:TRUE", id="CA:TRUE leaf"),
        pytest.param(Forgery(basic=False), "profile", "no BasicConstraints", id="no BasicConstraints"),
        pytest.param(Forgery(usages=kit.BOTH), "purpose", "serverAuth, clientAuth", id="both EKUs"),
        pytest.param(Forgery(usages=[CLIENT]), "purpose", "is clientAuth", id="wrong EKU"),
        pytest.param(Forgery(usages=[]), "purpose", "no extended key usage", id="no EKU"),
        pytest.param(Forgery(usages=[ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE]), "purpose", "is any", id="any EKU"),
        pytest.param(Forgery(aki=False), "profile", "no authority key identifier", id="missing AKI"),
        pytest.param(Forgery(ski=False), "profile", "no subject key identifier", id="missing SKI"),
        pytest.param(
            Forgery(key_usage=profile.key_usage(digital_signature=True, key_cert_sign=True)),
            "profile",
            "key usage must be",
            id="may sign certificates",
        ),
        pytest.param(
            Forgery(start=NOW - timedelta(days=2), end=NOW - timedelta(hours=1)), "expiry", "expired on", id="expired"
        ),
        pytest.param(Forgery(start=NOW + timedelta(hours=1)), "expiry", "not valid before", id="not yet valid"),
        pytest.param(
            Forgery(key=rsa.generate_private_key(65537, 1024)),  # noqa: S505 - the defect itself
            "profile",
            "RSA key of 1024 bits",
            id="RSA 1024",
        ),
        pytest.param(Forgery(identity=API), "names", "belongs to api.api", id="another identity"),
        pytest.param(
            Forgery(sans=[x509.DNSName(REDIS.dns)]),
            "names",
            "clients connect to redis.example.net",
            id="host not covered",
        ),
        pytest.param(
            Forgery(sans=[x509.DNSName(REDIS.dns), x509.DNSName("*.example.net")]), "profile", "wildcard", id="wildcard"
        ),
        pytest.param(
            Forgery(sans=[x509.DNSName(REDIS.dns), x509.UniformResourceIdentifier("spiffe://a/b")]),
            "profile",
            "neither a DNS name nor an IP",
            id="spiffe URI",
        ),
        pytest.param(
            Forgery(sans=[x509.DNSName(REDIS.dns), x509.DNSName("root.operator.bringup.internal")]),
            "profile",
            "more than one identity",
            id="two identities",
        ),
    ],
)
def test_a_defect_of_a_certificate_is_found(store: Store, forgery: Forgery, check: str, words: str) -> None:
    plant(store, REDIS, forgery)
    found = failures(store)
    assert words in found[("redis", check)]
    assert {target for target, _ in found} == {"redis"}


def test_a_client_certificate_with_the_purpose_of_a_server_is_found(store: Store) -> None:
    plant(store, WORKER, Forgery(identity=WORKER, usages=[SERVER]))
    assert "a worker needs clientAuth" in failures(store)[("worker", "purpose")]


def test_a_foreign_ca_of_the_same_name_is_found(store: Store) -> None:
    own = kit.authority_of(store)
    key = profile.new_key()
    ski = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    twin = (
        x509.CertificateBuilder()
        .subject_name(own.certificate.subject)
        .issuer_name(own.certificate.subject)
        .public_key(key.public_key())
        .serial_number(own.certificate.serial_number)
        .not_valid_before(own.certificate.not_valid_before_utc)
        .not_valid_after(own.certificate.not_valid_after_utc)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(profile.key_usage(key_cert_sign=True, crl_sign=True), critical=True)
        .add_extension(ski, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(ski), critical=False)
        .sign(key, hashes.SHA256())
    )
    plant(store, REDIS, Forgery(), by=Authority(twin, key))
    assert "same name but with another key" in failures(store)[("redis", "chain")]


def test_a_foreign_ca_of_another_name_is_found(store: Store) -> None:
    plant(store, REDIS, Forgery(), by=Authority.new(100, NOW))
    assert "not trusted here" in failures(store)[("redis", "chain")]


def test_a_key_that_does_not_fit_is_found(store: Store) -> None:
    store.files(API).key.write_bytes(key_pem(profile.new_key()))
    assert "does not fit" in failures(store)[("api", "match")]


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o660, 0o604, 0o601])
def test_a_key_that_others_can_read_is_found(store: Store, mode: int) -> None:
    store.files(WORKER).key.chmod(mode)
    assert f"mode {mode:04o}" in failures(store)[("worker", "key")]


def test_a_ca_key_that_others_can_read_is_found(store: Store) -> None:
    store.ca_key.chmod(0o644)
    assert "mode 0644" in failures(store)[("ca", "key")]


@pytest.mark.parametrize("mode", [0o775, 0o757, 0o777])
@pytest.mark.parametrize("folder", ["", "ca", "redis", "workers", "api"])
def test_a_folder_that_others_can_change_is_found(store: Store, folder: str, mode: int) -> None:
    (store.root / folder).chmod(mode)
    assert "and so can the keys in it" in failures(store)[("ca", "folders")]


def test_a_private_folder_that_others_can_read_is_found(store: Store) -> None:
    store.state.chmod(0o755)
    assert "chmod 700" in next(one.hint for one in verified(store) if one.status is Status.FAIL)


@pytest.mark.parametrize("target", ["redis", "ca"])
def test_a_certificate_that_others_can_change_is_found(store: Store, target: str) -> None:
    path = store.ca_certificate if target == "ca" else store.files(REDIS).certificate
    path.chmod(0o664)
    assert "others can change" in failures(store)[(target, "certificate")]


@pytest.mark.parametrize("missing", ["certificate", "key", "bundle"])
def test_a_missing_file_is_found_on_the_machine_of_the_ca(store: Store, missing: str) -> None:
    path: Path = getattr(store.files(REDIS), missing)
    path.unlink()
    assert "does not exist" in failures(store)[("redis", missing)]


def test_a_machine_that_has_only_the_worker_is_in_order(store: Store) -> None:
    for path in (store.ca_key, *(path for one in (REDIS, API) for path in vars(store.files(one)).values())):
        path.unlink()
    store.ledger_file.unlink()
    assert failures(store) == {}
    assert {one.target for one in verified(store)} == {"ca", "worker"}


def test_a_broken_certificate_is_a_failure_and_what_depends_on_it_is_skipped(store: Store) -> None:
    store.files(REDIS).certificate.write_text("-----BEGIN CERTIFICATE-----\nbm8=\n-----END CERTIFICATE-----\n")
    statuses = {one.check: one.status for one in verified(store) if one.target == "redis"}
    assert statuses["certificate"] is Status.FAIL
    assert statuses["chain"] is statuses["expiry"] is statuses["match"] is Status.SKIP
    assert Status.OK not in {statuses[check] for check in ("chain", "purpose", "names", "expiry", "bundle")}


def test_a_certificate_with_a_hostile_encoding_is_a_failure_in_every_check_that_reads_it(store: Store) -> None:
    rubbish = x509.UnrecognizedExtension(ExtensionOID.BASIC_CONSTRAINTS, b"\x30\x03\x82")
    forgery = Forgery(basic=False, extra=[rubbish])
    plant(store, REDIS, forgery)
    found = failures(store)
    assert "cannot be read" in found[("redis", "profile")]
    assert "cannot be checked" in found[("redis", "purpose")]


def test_a_bundle_of_an_older_certificate_is_found(store: Store) -> None:
    store.files(API).bundle.write_bytes(pem(kit.certificate_of(store, API), Authority.new(9, NOW).certificate))
    assert "followed by its CA" in failures(store)[("api", "bundle")]


@pytest.mark.parametrize(
    ("days", "status"), [(0, Status.OK), (59, Status.OK), (61, Status.WARN), (89, Status.WARN), (90, Status.FAIL)]
)
def test_a_certificate_warns_past_two_thirds_of_its_validity_and_fails_at_its_end(
    store: Store, days: int, status: Status
) -> None:
    results = verified(store, NOW + timedelta(days=days))
    assert next(one.status for one in results if (one.target, one.check) == ("worker", "expiry")) is status


def test_fewer_than_thirty_days_are_a_warning_however_long_the_validity(tmp_path: Path) -> None:
    store = kit.init_pki(tmp_path / "pki", days=3650)
    results = verified(store, NOW + timedelta(days=3621))
    assert next(one.status for one in results if (one.target, one.check) == ("worker", "expiry")) is Status.WARN


def test_a_clock_before_the_certificates_is_named_as_the_cause(store: Store) -> None:
    results = verified(store, NOW - timedelta(days=400))
    expiry = [one for one in results if one.check == "expiry"]
    assert {one.status for one in expiry} == {Status.FAIL}
    assert all("clock" in one.message and "timedatectl" in one.hint for one in expiry)


def test_a_stale_list_of_revoked_certificates_is_found_and_not_taken_for_an_expired_ca(store: Store) -> None:
    found = failures(store, NOW + timedelta(days=91))[("ca", "crl")]
    assert found.startswith("list of revoked certificates (CRL): expired on 2026-08-30")
    assert "the API refuses every client certificate" in found


@pytest.mark.parametrize(
    ("hours", "status"),  # 24 hours back and 168 on: the last third begins 104 hours from now
    [(0, Status.OK), (103, Status.OK), (105, Status.WARN), (143, Status.WARN), (145, Status.FAIL), (168, Status.FAIL)],
)
def test_a_list_of_seven_days_warns_in_its_last_third_and_fails_on_its_last_day(
    tmp_path: Path, hours: int, status: Status
) -> None:
    store = kit.init_pki(tmp_path / "pki", crl_days=7)
    results = verified(store, NOW + timedelta(hours=hours))
    assert next(one.status for one in results if (one.target, one.check) == ("ca", "crl")) is status


def test_a_missing_list_of_revoked_certificates_is_found(store: Store) -> None:
    store.ca_crl.unlink()
    assert "so the API would accept revoked certificates" in failures(store)[("ca", "crl")]


@pytest.mark.parametrize(("api_here", "status"), [(True, Status.WARN), (False, Status.INFO)])
def test_a_list_that_was_not_carried_is_a_warning_where_the_api_is(
    store: Store,
    api_here: bool,  # noqa: FBT001
    status: Status,
) -> None:
    for path in (store.ca_crl, store.ca_key, store.ledger_file):
        path.unlink()
    if not api_here:
        shutil.rmtree(store.root / "api")
    assert next(one.status for one in verified(store) if (one.target, one.check) == ("ca", "crl")) is status


def test_a_list_signed_by_another_ca_is_found(store: Store, tmp_path: Path) -> None:
    foreign = kit.init_pki(tmp_path / "foreign")
    store.ca_crl.write_bytes(foreign.ca_crl.read_bytes())
    assert "holds no list signed by" in failures(store)[("ca", "crl")]


def test_an_older_list_that_forgets_a_revocation_is_found(store: Store) -> None:
    older = store.ca_crl.read_bytes()
    with kit.open_session(store) as session:
        entry = session.ledger.get(kit.certificate_of(store, WORKER))
        assert entry is not None
        session.revoke(entry, "superseded")
        session.publish_crl()
        session.commit()
    store.ca_crl.write_bytes(older)
    assert "not on the list" in failures(store)[("ca", "crl")]


def test_a_ca_key_of_another_generation_is_found(store: Store) -> None:
    store.ca_key.write_bytes(key_pem(profile.new_key()))
    assert "different generations" in failures(store)[("ca", "key")]


def test_a_development_name_is_a_warning(store: Store) -> None:
    plant(store, REDIS, Forgery(sans=[x509.DNSName(REDIS.dns), *kit.HOST[REDIS.role], x509.DNSName("localhost")]))
    warnings = [one for one in verified(store) if one.status is Status.WARN]
    assert [one.check for one in warnings] == ["profile"]


def test_a_lost_record_is_found(store: Store) -> None:
    store.ledger_file.unlink()
    assert "would forget who was revoked" in failures(store)[("ca", "ledger")]


def test_an_empty_directory_is_no_pki(tmp_path: Path) -> None:
    with pytest.raises(NotSetUp, match="there is no CA"):
        verified(Store(tmp_path / "pki"))


def test_verify_waits_for_no_writer_and_names_it(store: Store) -> None:
    with kit.open_session(store), pytest.raises(Locked, match=f"process {os.getpid()}: a test"):
        verified(store)


@pytest.mark.parametrize(("owner_is_another", "judged"), [(True, False), (False, True)])
def test_a_key_that_only_the_user_of_another_service_reads_is_judged_by_that_service(
    store: Store, monkeypatch: pytest.MonkeyPatch, *, owner_is_another: bool, judged: bool
) -> None:
    owner = store.files(REDIS).key.stat().st_uid
    monkeypatch.setattr("os.geteuid", lambda: owner + owner_is_another)
    monkeypatch.setattr("os.access", lambda path, _mode: path != store.files(REDIS).key)
    results = verify(store, {}, NOW, roles=[Role.WORKER])
    assert any(one.target == "redis" for one in results) is judged
    assert any(one.target == "worker" for one in results)
