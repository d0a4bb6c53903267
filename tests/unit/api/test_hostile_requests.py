"""Requests for renewal that a holder of a certificate has made by hand: refused by the API, and by the CA as well."""

import base64
import random
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from api.est.requests import identity_for, read_request
from api.http.problems import Refusal
from pki import csr, profile
from pki.authority import Authority
from pki.errors import InvalidInput
from pki.names import Identity, Role

KEY = profile.new_key()
OWN = "w7.tailer.bringup.internal"
# DER of AlgorithmIdentifier: ecdsa-with-SHA256. Source: RFC 5758 s.3.2
ECDSA_SHA256 = bytes.fromhex("300a06082a8648ce3d040302")


@pytest.fixture(scope="module")
def certificate() -> x509.Certificate:
    now = datetime.now(UTC)
    return Authority.new(30, now).certify(Identity(Role.TAILER, "w7"), (), KEY.public_key(), 30, now)


def request_by(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey) -> bytes:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, OWN)])
    names = x509.SubjectAlternativeName([x509.DNSName(OWN)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(name).add_extension(names, critical=False)
    return builder.sign(key, None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()).public_bytes(
        Encoding.DER
    )


def signed(content: bytes) -> bytes:
    """A request of any content, with a good signature of our key."""
    signature = KEY.sign(content, ec.ECDSA(hashes.SHA256()))
    return _der(0x30, content + ECDSA_SHA256 + _der(0x03, b"\0" + signature))


def _der(tag: int, value: bytes) -> bytes:
    size = len(value)
    length = bytes([size]) if size < 128 else bytes([0x82]) + size.to_bytes(2, "big")
    return bytes([tag]) + length + value


def altered(count: int) -> Iterator[bytes]:
    """Requests with some bytes replaced, each signed again."""
    content = x509.load_der_x509_csr(request_by(KEY)).tbs_certrequest_bytes
    chosen = random.Random(12)  # noqa: S311 - the same at each run
    for _ in range(count):
        changed = bytearray(content)
        for _ in range(chosen.choice((1, 1, 2, 3))):
            changed[chosen.randrange(len(changed))] = chosen.randrange(256)
        yield signed(bytes(changed))


def is_accepted(request: bytes, certificate: x509.Certificate) -> bool:
    """Whether the API keeps it for the CA."""
    try:
        identity = identity_for(read_request(base64.b64encode(request)), certificate)
    except Refusal:
        return False
    assert identity == OWN
    return True


def test_the_request_itself_is_accepted(certificate: x509.Certificate) -> None:
    content = x509.load_der_x509_csr(request_by(KEY)).tbs_certrequest_bytes
    assert is_accepted(signed(content), certificate)


def test_a_request_of_any_content_is_accepted_or_refused_and_is_no_error(certificate: x509.Certificate) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # cryptography warns of names that no standard permits
        outcomes = [is_accepted(request, certificate) for request in altered(1500)]
    assert 0 < sum(outcomes) < 100  # what is altered in a part that does not count, or in the key


def test_the_ca_reads_or_refuses_a_request_of_any_content() -> None:
    refused = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for request in altered(1500):
            try:
                list(csr.ignored(csr.read_request(request, "x")))
            except InvalidInput:
                refused += 1
    assert 0 < refused < 1500


@pytest.mark.parametrize(
    "key",
    [
        rsa.generate_private_key(65537, 1024),  # noqa: S505 - that it is weak is the test
        ec.generate_private_key(ec.SECP224R1()),
        ed25519.Ed25519PrivateKey.generate(),
    ],
    ids=["RSA 1024", "P-224", "Ed25519"],
)
def test_the_ca_signs_no_weak_or_unusual_key(
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey,
) -> None:
    with pytest.raises(InvalidInput, match=r"are accepted|neither EC nor RSA"):
        csr.read_request(request_by(key), "x")
