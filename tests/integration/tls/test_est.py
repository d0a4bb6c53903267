"""EST as RFC 7030 has it: who gets what, and what is kept until the CA has decided."""

import base64
import http.client
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPResponse

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from bringup.model import utc_now
from pki import profile
from pki.authority import Authority, pem
from pki.names import Identity, Role
from pki.session import CaSession
from tests.integration.tls.conftest import Caller, Served

EST = "/.well-known/est"
SIMPLE = f"{EST}/simplereenroll"
PKCS10 = {"Content-Type": "application/pkcs10"}


def est(
    caller: Caller, method: str, path: str, body: bytes | None = None, **headers: str
) -> tuple[HTTPResponse, bytes]:
    connection = http.client.HTTPSConnection("127.0.0.1", caller.port, timeout=60, context=caller.context())
    try:
        connection.request(method, path, body, headers={**PKCS10, **headers} if body is not None else {})
        answer = connection.getresponse()
        return answer, answer.read()
    finally:
        connection.close()


def certificate_of(caller: Caller) -> x509.Certificate:
    assert caller.cert
    return x509.load_pem_x509_certificate(caller.cert.read_bytes())


@dataclass(frozen=True)
class Wanted:
    """A request, and its key."""

    key: ec.EllipticCurvePrivateKey
    request: x509.CertificateSigningRequest

    @property
    def body(self) -> bytes:
        return base64.encodebytes(self.request.public_bytes(Encoding.DER))


def wanted(like: x509.Certificate, *sans: x509.GeneralName, subject: x509.Name | None = None) -> Wanted:
    """A request for the subject and names of a certificate, or for others."""
    key = profile.new_key()
    names = sans or tuple(like.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    builder = x509.CertificateSigningRequestBuilder().subject_name(like.subject if subject is None else subject)
    builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return Wanted(key, builder.sign(key, hashes.SHA256()))


@pytest.fixture(scope="module")
def ca(site_with_hosts: Served) -> Caller:
    return site_with_hosts.by("ca", "ca")


@pytest.fixture(scope="module")
def site_with_hosts(lenient: Served) -> Served:
    for role, name in (("ca", "ca"), ("host", "h1"), ("tailer", "w7"), ("tailer", "w8"), ("tailer", "w9")):
        if not (lenient.site.store.root / f"issued/{role}/{name}-cert.pem").exists():  # `site sign` makes the CA's own
            lenient.site.stack.command("pki", "issue", role, "--name", name)
    return lenient


@pytest.fixture
def worker(site_with_hosts: Served, ca: Caller) -> Iterator[Caller]:
    yield site_with_hosts.by("tailer", "w7")
    refuse_all(ca)


def refuse_all(ca: Caller) -> None:
    for one in waiting(ca):
        assert ca.call("PUT", f"/enrollments/{one['id']}", {"reason": "end of the test"})[0] == 200


def waiting(ca: Caller) -> list[dict[str, str]]:
    status, found = ca.call("GET", "/enrollments")
    assert status == 200
    return list(found["enrollments"])


def signed(served: Served, identity: Identity, request: x509.CertificateSigningRequest) -> x509.Certificate:
    with CaSession.open(served.site.store, "test", utc_now(), wait_s=60) as session:
        certificate = session.sign(identity, (), request.public_key())
        session.commit()
    return certificate


def test_anyone_may_fetch_the_ca_certificates(site_with_hosts: Served) -> None:
    answer, body = est(site_with_hosts.by(None), "GET", f"{EST}/cacerts")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/pkcs7-mime; smime-type=certs-only"
    found = pkcs7.load_der_pkcs7_certificates(base64.b64decode(body))
    assert found == list(site_with_hosts.site.store.authorities())


def test_a_request_is_kept_until_the_ca_has_signed_it(site_with_hosts: Served, worker: Caller, ca: Caller) -> None:
    mine = wanted(certificate_of(worker))
    for _ in range(2):  # asking again is no second request
        answer, _ = est(worker, "POST", SIMPLE, mine.body)
        assert answer.status == 202
        assert int(answer.headers["Retry-After"]) > 0
    (kept,) = waiting(ca)
    assert kept["identity"] == kept["presenter"] == "w7.tailer.bringup.internal"
    assert int(kept["presenter_serial"], 16) == certificate_of(worker).serial_number
    certificate = signed(site_with_hosts, Identity(Role.TAILER, "w7"), mine.request)
    assert ca.call("PUT", f"/enrollments/{kept['id']}", {"certificate": pem(certificate).decode()})[0] == 200
    answer, body = est(worker, "POST", SIMPLE, mine.body)
    assert answer.status == 200
    assert pkcs7.load_der_pkcs7_certificates(base64.b64decode(body)) == [certificate]
    assert waiting(ca) == []


def test_a_refusal_is_returned_with_its_reason_and_another_key_may_ask_again(worker: Caller, ca: Caller) -> None:
    mine = wanted(certificate_of(worker))
    est(worker, "POST", SIMPLE, mine.body)
    (kept,) = waiting(ca)
    assert ca.call("PUT", f"/enrollments/{kept['id']}", {"reason": "not due"})[0] == 200
    answer, body = est(worker, "POST", SIMPLE, mine.body)
    assert answer.status == 403
    assert b"not due" in body
    assert est(worker, "POST", SIMPLE, wanted(certificate_of(worker)).body)[0].status == 202


@pytest.mark.parametrize(
    ("sans", "subject"),
    [
        ((x509.DNSName("w8.tailer.bringup.internal"),), None),
        ((x509.DNSName("w7.operator.bringup.internal"),), None),
        ((x509.DNSName("w7.tailer.bringup.internal"), x509.DNSName("redis.example.net")), None),
        ((), x509.Name([])),
    ],
    ids=["another name", "another role", "one more name", "another subject"],
)
def test_a_changed_identity_is_refused_and_not_kept(
    worker: Caller, ca: Caller, sans: tuple[x509.GeneralName, ...], subject: x509.Name | None
) -> None:
    asked = wanted(certificate_of(worker), *sans, subject=subject)
    answer, body = est(worker, "POST", SIMPLE, asked.body)
    assert answer.status == 403, body
    assert waiting(ca) == []


def test_a_request_that_its_key_has_not_signed_is_refused(worker: Caller, ca: Caller) -> None:
    der = bytearray(wanted(certificate_of(worker)).request.public_bytes(Encoding.DER))
    der[-1] ^= 1
    answer, body = est(worker, "POST", SIMPLE, base64.b64encode(bytes(der)))
    assert answer.status == 400, body
    assert waiting(ca) == []


@pytest.mark.parametrize("body", [b"", b"!", b"AAAA", base64.b64encode(b"x" * 8000)])
def test_what_is_no_request_is_refused(worker: Caller, ca: Caller, body: bytes) -> None:
    assert est(worker, "POST", SIMPLE, body)[0].status == 400
    assert waiting(ca) == []


def test_a_body_that_is_too_large_or_of_another_type_is_refused(worker: Caller) -> None:
    assert est(worker, "POST", SIMPLE, b"A" * 16385)[0].status == 413
    assert est(worker, "POST", SIMPLE, b"A", **{"Content-Type": "application/json"})[0].status == 415


def test_nobody_without_a_certificate_or_with_one_of_a_run_renews(site_with_hosts: Served, ca: Caller) -> None:
    body = wanted(certificate_of(site_with_hosts.by("tailer", "w7"))).body
    assert est(site_with_hosts.by(None), "POST", SIMPLE, body)[0].status == 401
    run = site_with_hosts.by("run")
    assert est(run, "POST", SIMPLE, wanted(certificate_of(run)).body)[0].status == 403
    assert waiting(ca) == []


def test_a_revoked_client_gets_nothing(site_with_hosts: Served, ca: Caller) -> None:
    client = site_with_hosts.by("tailer", "w9")
    body = wanted(certificate_of(client)).body
    site_with_hosts.site.stack.command("pki", "revoke", "tailer/w9", "--reason", "key-compromise")
    with pytest.raises(OSError):  # noqa: PT011 - TLS ends in several ways, and each is right
        est(client, "POST", SIMPLE, body)
    assert waiting(ca) == []


def test_a_host_asks_for_its_servers_and_never_for_operators(site_with_hosts: Served, ca: Caller) -> None:
    host = site_with_hosts.by("host", "h1")
    of = certificate_of(host)
    asked = wanted(of, x509.DNSName("h1.redis.bringup.internal"), x509.DNSName("r1.example.net"))
    assert est(host, "POST", SIMPLE, asked.body)[0].status == 202
    assert [one["identity"] for one in waiting(ca)] == ["h1.redis.bringup.internal"]
    for name in ("h1.operator", "h1.ca", "h1.run", "h2.host"):
        asked = wanted(of, x509.DNSName(f"{name}.bringup.internal"))
        assert est(host, "POST", SIMPLE, asked.body)[0].status == 403
    refuse_all(ca)


def test_one_client_cannot_fill_the_memory(site_with_hosts: Served, ca: Caller) -> None:
    host = site_with_hosts.by("host", "h1")
    for number in range(20):
        asked = wanted(certificate_of(host), x509.DNSName(f"x{number}.worker.bringup.internal"))
        status = est(host, "POST", SIMPLE, asked.body)[0].status
        assert status == (202 if number < 15 else 429), number  # one of the test before was decided and is kept
    assert len(waiting(ca)) <= 16
    refuse_all(ca)


@pytest.mark.parametrize("role", ["worker", "tailer", "host", "operator", "run", None])
def test_only_the_cas_host_reads_and_decides(site_with_hosts: Served, role: str | None) -> None:
    name = {"host": "h1", "tailer": "w8"}.get(role or "", "some")
    caller = site_with_hosts.by(role, name)
    for method, path, body in (
        ("GET", "/enrollments", None),
        ("PUT", "/enrollments/x", {"reason": "x"}),
        ("PUT", "/trust", {"anchors": "", "crl": "", "issuer": "00"}),
        ("GET", "/hosts", None),
    ):
        assert caller.call(method, path, body)[0] in {401, 403}, path


def test_a_certificate_for_another_key_or_identity_is_no_answer(
    site_with_hosts: Served, worker: Caller, ca: Caller
) -> None:
    mine = wanted(certificate_of(worker))
    est(worker, "POST", SIMPLE, mine.body)
    (kept,) = waiting(ca)
    path = f"/enrollments/{kept['id']}"
    other_key = signed(site_with_hosts, Identity(Role.TAILER, "w7"), wanted(certificate_of(worker)).request)
    other_name = signed(site_with_hosts, Identity(Role.TAILER, "w8"), mine.request)
    for answer in ({"certificate": pem(other_key).decode()}, {"certificate": pem(other_name).decode()}, {}):
        assert ca.call("PUT", path, answer)[0] == 422
    assert ca.call("PUT", "/enrollments/unknown", {"reason": "x"})[0] == 404


def trust_of(served: Served) -> dict[str, str]:
    store = served.site.store
    issuer = store.authorities()[0].extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest.hex()
    return {"anchors": store.ca_certificate.read_text(), "crl": store.ca_crl.read_text(), "issuer": issuer}


def test_trust_is_published_and_an_older_list_is_refused(site_with_hosts: Served, ca: Caller) -> None:
    old = trust_of(site_with_hosts)
    assert ca.call("PUT", "/trust", old)[0] == 200
    site_with_hosts.site.stack.command("pki", "crl")
    new = trust_of(site_with_hosts)
    assert ca.call("PUT", "/trust", new)[0] == 200
    assert ca.call("PUT", "/trust", old)[0] == 409
    answer, body = est(site_with_hosts.by(None), "GET", "/api/v1/crl")
    assert answer.status == 200
    assert body.decode() == new["crl"]


def test_trust_that_does_not_hold_together_is_refused(site_with_hosts: Served, ca: Caller) -> None:
    good, foreign = trust_of(site_with_hosts), Authority.new(30, utc_now())
    for change in (
        {"anchors": pem(foreign.certificate).decode()},
        {"anchors": certificate_of(ca).public_bytes(Encoding.PEM).decode()},
        {"anchors": good["anchors"] + certificate_of(ca).public_bytes(Encoding.PEM).decode()},  # one that is no CA
        {"crl": "x"},
        {"vouchers": pem(foreign.certificate).decode()},
    ):
        assert ca.call("PUT", "/trust", good | change)[0] == 422, change


def test_a_host_reports_for_itself_alone(site_with_hosts: Served, ca: Caller) -> None:
    host = site_with_hosts.by("host", "h1")
    held = {"serial": "01", "issuer": "ab", "ends": "2030-01-01T00:00:00Z"}
    report = {"anchors": ["ab"], "certificates": {"h1.host.bringup.internal": held}}
    assert host.call("PUT", "/hosts/h1", report)[0] == 200
    assert host.call("PUT", "/hosts/h2", report)[0] == 403
    status, found = ca.call("GET", "/hosts")
    assert status == 200
    assert [one["name"] for one in found["hosts"]] == ["h1"]


def test_each_join_of_a_host_is_on_record_with_its_address(site_with_hosts: Served, ca: Caller) -> None:
    host = site_with_hosts.by("host", "h1")
    for number in (1, 2, 1):
        join = {"id": f"{number:02x}", "bundle_made_at": "2030-01-01T00:00:00Z"}
        assert host.call("PUT", "/hosts/h1", {"anchors": ["ab"], "certificates": {}, "join": join})[0] == 200
    found = next(one for one in ca.call("GET", "/hosts")[1]["hosts"] if one["name"] == "h1")
    assert found["address"] == "127.0.0.1"
    assert [(one["id"], one["address"]) for one in found["joins"]] == [("01", "127.0.0.1"), ("02", "127.0.0.1")]
    assert found["joins"][0]["at"] < found["joins"][1]["at"]
    for number in range(3, 30):  # of a host that joins again and again
        join = {"id": f"{number:02x}", "bundle_made_at": "2030-01-01T00:00:00Z"}
        host.call("PUT", "/hosts/h1", {"anchors": ["ab"], "certificates": {}, "join": join})
    found = next(one for one in ca.call("GET", "/hosts")[1]["hosts"] if one["name"] == "h1")
    assert [one["id"] for one in found["joins"]] == ["01", *(f"{number:02x}" for number in range(23, 30))]
