"""The certificates that must be refused: each is wrong in one respect, or a refusal would prove nothing."""

import stat
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from pki.authority import fits, read_key, signer_of
from pki.names import Role
from pki.store import Store, read_certificates
from selftest.bad_certificates import BadCertificates, NoCaKey
from tests.unit.pki import kit

NOW = datetime.now(UTC)
Forge = Callable[[BadCertificates], tuple[Path, Path]]
_ALL: dict[str, Forge] = {
    "foreign": BadCertificates.foreign,
    "expired": BadCertificates.expired,
    "not yet valid": BadCertificates.not_yet_valid,
    "wrong purpose": BadCertificates.wrong_purpose,
    "revoked": lambda bad: bad.revoked(4711),
}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return kit.init_pki(tmp_path / "pki", NOW)


@pytest.fixture
def bad(store: Store) -> Iterator[BadCertificates]:
    bad = BadCertificates(store)
    yield bad
    bad.close()


def faults(certificate: x509.Certificate, store: Store) -> set[str]:
    """In which respects it is wrong."""
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    found = {
        "foreign": signer_of(certificate, store.authorities()) is None,
        "expired": certificate.not_valid_after_utc < datetime.now(UTC),
        "not yet valid": certificate.not_valid_before_utc > datetime.now(UTC),
        "wrong purpose": list(usage) != [ExtendedKeyUsageOID.CLIENT_AUTH],
        "revoked": certificate.serial_number == 4711,
    }
    return {name for name, wrong in found.items() if wrong}


@pytest.mark.parametrize("fault", _ALL)
def test_each_is_wrong_in_one_respect_and_in_no_other(bad: BadCertificates, store: Store, fault: str) -> None:
    (certificate,) = read_certificates(_ALL[fault](bad)[0])
    assert faults(certificate, store) == {fault}


def test_the_foreign_ca_has_the_name_of_ours(bad: BadCertificates, store: Store) -> None:
    (certificate,) = read_certificates(bad.foreign()[0])
    assert certificate.issuer == store.authorities()[0].subject


def test_the_wrong_purpose_is_that_of_a_server(bad: BadCertificates) -> None:
    (certificate,) = read_certificates(bad.wrong_purpose()[0])
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.SERVER_AUTH]


@pytest.mark.parametrize("fault", _ALL)
def test_each_claims_to_be_a_worker_and_its_key_fits(bad: BadCertificates, fault: str) -> None:
    cert, key = _ALL[fault](bad)
    (certificate,) = read_certificates(cert)
    assert certificate.subject.rfc4514_string() == f"CN=selftest.{Role.WORKER}.bringup.internal"
    assert fits(read_key(key), certificate)


@pytest.mark.parametrize("fault", _ALL)
def test_none_is_good_for_longer_than_a_test_lasts(bad: BadCertificates, fault: str) -> None:
    (certificate,) = read_certificates(_ALL[fault](bad)[0])
    good_for = certificate.not_valid_after_utc - max(certificate.not_valid_before_utc, datetime.now(UTC))
    assert good_for <= timedelta(days=1)


def test_nobody_else_can_read_a_key_and_nothing_is_left_behind(bad: BadCertificates) -> None:
    cert, key = bad.expired()
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert stat.S_IMODE(key.parent.stat().st_mode) == 0o700
    bad.close()
    assert not cert.parent.exists()


def test_without_the_ca_key_only_the_foreign_one_can_be_made(store: Store, bad: BadCertificates) -> None:
    store.ca_key.unlink()
    assert bad.foreign()
    for fault in ("expired", "not yet valid", "wrong purpose", "revoked"):
        with pytest.raises(NoCaKey, match=r"ca-key\.pem is not on this host"):
            _ALL[fault](bad)
