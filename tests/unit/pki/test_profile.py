from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from pki import profile
from pki.authority import Authority
from pki.lint import lint_authority
from pki.names import Identity, Role, dns_names
from tests.unit.pki import kit
from tests.unit.pki.kit import NOW


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.new(3650, NOW)


def certify(authority: Authority, role: Role, days: int = 90) -> x509.Certificate:
    return authority.certify(Identity(role, "x"), (), profile.new_key().public_key(), days, NOW)


@pytest.mark.parametrize("role", list(Role))
def test_a_certificate_is_clean_by_our_own_lint(authority: Authority, role: Role) -> None:
    assert kit.lint_leaf(certify(authority, role), role) == []


@pytest.mark.parametrize("role", list(Role))
def test_a_certificate_has_exactly_the_purpose_of_its_role(authority: Authority, role: Role) -> None:
    usage = certify(authority, role).extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    server = role in {Role.REDIS, Role.API, Role.IMAGES, Role.WEB}
    assert list(usage) == [ExtendedKeyUsageOID.SERVER_AUTH if server else ExtendedKeyUsageOID.CLIENT_AUTH]


@pytest.mark.parametrize("role", list(Role))
def test_a_certificate_carries_its_identity(authority: Authority, role: Role) -> None:
    assert dns_names(certify(authority, role)) == [f"x.{role}.bringup.internal"]


def test_a_ca_is_clean_by_our_own_lint(authority: Authority) -> None:
    assert lint_authority(authority.certificate) == []


def test_two_generations_of_the_ca_never_share_a_name() -> None:
    assert Authority.new(10, NOW).certificate.subject != Authority.new(10, NOW).certificate.subject


def test_keys_are_p256_and_signatures_sha256(authority: Authority) -> None:
    certificate = certify(authority, Role.API)
    key = certificate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert key.curve.name == "secp256r1"
    assert certificate.signature_hash_algorithm is not None
    assert certificate.signature_hash_algorithm.name == "sha256"


def test_ca_and_api_are_valid_for_machines_whose_clock_is_in_local_time(authority: Authority) -> None:
    assert authority.certificate.not_valid_before_utc == NOW - timedelta(hours=24)
    assert certify(authority, Role.API).not_valid_before_utc == NOW - timedelta(hours=24)
    assert certify(authority, Role.WORKER).not_valid_before_utc == NOW - timedelta(minutes=5)


def test_a_certificate_never_outlives_its_ca() -> None:
    authority = Authority.new(30, NOW)
    assert certify(authority, Role.API, days=3650).not_valid_after_utc == authority.certificate.not_valid_after_utc


def test_serial_numbers_are_random(authority: Authority) -> None:
    serials = {certify(authority, Role.RUN).serial_number for _ in range(20)}
    assert len(serials) == 20
    assert all(serial.bit_length() > 64 for serial in serials)
