from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from pki import csr, profile
from pki.crl import revoke
from pki.errors import InvalidInput, NotSetUp, Refused
from pki.issue import issue
from pki.names import Identity, Role, dns_names, parse_san
from pki.store import Store
from tests.unit.pki import kit
from tests.unit.pki.kit import NOW, W2

SubjectKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


def request(key: SubjectKey | None = None, *, hostile: bool = False) -> x509.CertificateSigningRequest:
    key = key or profile.new_key()
    name = "root.operator.bringup.internal" if hostile else "anything"
    builder = x509.CertificateSigningRequestBuilder().subject_name(
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    )
    if hostile:
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        builder = builder.add_extension(profile.key_usage(key_cert_sign=True), critical=True)
    return builder.sign(key, None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256())


def certify(store: Store, asked: x509.CertificateSigningRequest, identity: Identity = W2) -> x509.Certificate:
    with kit.open_session(store) as session:
        return issue(session, identity, request=asked)


@pytest.mark.parametrize("role", list(Role))
def test_an_identity_of_every_role_can_be_issued(store: Store, role: Role) -> None:
    identity = Identity(role, "extra")
    with kit.open_session(store) as session:
        certificate = issue(session, identity)
    assert kit.lint_leaf(certificate, role) == []
    assert store.files(identity).key.stat().st_mode & 0o777 == 0o600
    assert kit.failures(store) == {}


def test_a_server_carries_the_names_it_is_asked_for(store: Store) -> None:
    with kit.open_session(store) as session:
        certificate = issue(session, Identity(Role.REDIS, "r2"), (parse_san("r2.example.net"),))
    assert dns_names(certificate) == ["r2.redis.bringup.internal", "r2.example.net"]


def test_a_client_gets_no_further_names(store: Store) -> None:
    with pytest.raises(InvalidInput, match="is a client, no server"), kit.open_session(store) as session:
        issue(session, W2, (parse_san("redis.example.net"),))


def test_a_usable_certificate_is_not_replaced(store: Store) -> None:
    with kit.open_session(store) as session:
        issue(session, W2)
    before = kit.snapshot(store.root)
    with pytest.raises(Refused, match="has a certificate, valid until"), kit.open_session(store) as session:
        issue(session, W2)
    assert kit.snapshot(store.root) == before


def test_an_expired_certificate_is_replaced(store: Store) -> None:
    with kit.open_session(store) as session:
        issue(session, W2)
    later = NOW + timedelta(days=91)
    with kit.open_session(store, later) as session:
        issue(session, W2)
    assert kit.certificate_of(store, W2).not_valid_after_utc > later


def test_nothing_is_issued_where_there_is_no_ca(tmp_path_factory: pytest.TempPathFactory) -> None:
    empty = Store(tmp_path_factory.mktemp("empty"))
    with pytest.raises(NotSetUp), kit.open_session(empty, init=False):
        pass
    assert not list(empty.root.iterdir())


def test_nothing_is_issued_on_a_machine_that_merely_trusts_the_ca(store: Store) -> None:
    store.ca_key.unlink()
    store.ledger_file.unlink()
    with pytest.raises(Refused, match="not the CA's machine"), kit.open_session(store, init=False):
        pass


def test_a_request_is_certified_and_no_key_is_made(store: Store) -> None:
    asked = request()
    certificate = certify(store, asked)
    assert certificate.public_key() == asked.public_key()
    assert not store.files(W2).key.exists()
    assert kit.failures(store) == {}


def test_of_a_hostile_request_only_the_key_is_taken(store: Store) -> None:
    asked = request(hostile=True)
    certificate = certify(store, asked)
    assert kit.lint_leaf(certificate, Role.WORKER) == []
    assert dns_names(certificate) == ["w2.worker.bringup.internal"]
    assert certificate.subject.rfc4514_string() == "CN=w2.worker.bringup.internal"
    ignored = " ".join(csr.ignored(asked))
    assert "to be a CA" in ignored
    assert "'root.operator.bringup.internal'" in ignored


def test_a_request_with_a_bad_signature_is_refused() -> None:
    data = bytearray(request().public_bytes(Encoding.DER))
    data[-1] ^= 1
    with pytest.raises(InvalidInput, match="does not hold the key"):
        csr.read_request(bytes(data), "request.der")


def test_a_request_for_the_key_of_another_holder_is_refused(store: Store) -> None:
    own, foreign = request(), kit.certificate_of(store, kit.REDIS)
    spki = Encoding.DER
    body = own.public_bytes(spki)
    from cryptography.hazmat.primitives.serialization import PublicFormat  # noqa: PLC0415 - only this test

    ours = own.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    theirs = foreign.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    with pytest.raises(InvalidInput, match="does not hold the key"):
        csr.read_request(body.replace(ours, theirs), "request.der")


@pytest.mark.parametrize(
    ("key", "words"),
    [
        (rsa.generate_private_key(65537, 1024), "RSA key of 1024 bits"),  # noqa: S505 - weak on purpose
        (ec.generate_private_key(ec.SECP224R1()), "secp224r1"),
        (ec.generate_private_key(ec.SECP256K1()), "secp256k1"),
        (ed25519.Ed25519PrivateKey.generate(), "neither EC nor RSA"),
    ],
)
def test_a_request_with_a_weak_or_unusual_key_is_refused(key: SubjectKey, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        csr.read_request(request(key).public_bytes(Encoding.PEM), "request.pem")


@pytest.mark.parametrize("key", [rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP384R1())])
def test_a_request_with_another_strong_key_is_certified(store: Store, key: SubjectKey) -> None:
    certify(store, csr.read_request(request(key).public_bytes(Encoding.DER), "request.der"))
    assert kit.failures(store) == {}


@pytest.mark.parametrize(
    "data",
    [b"", b"nothing", b"-----BEGIN CERTIFICATE REQUEST-----\n-----END CERTIFICATE REQUEST-----", b"\x30" * 70_000],
)
def test_what_is_no_request_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidInput):
        csr.read_request(data, "request.pem")


def test_a_revoked_key_is_never_certified_again(store: Store) -> None:
    asked = request()
    certify(store, asked)
    with kit.open_session(store) as session:
        revoke(session, "w2", "key-compromise")
    for identity in (W2, Identity(Role.OPERATOR, "other")):
        with pytest.raises(Refused, match="same key was revoked"):
            certify(store, asked, identity)
    with kit.open_session(store) as session:
        issue(session, W2)
    assert kit.failures(store) == {}
