"""Certificates are shown with what is left of them, and what cannot be read is not shown as valid."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from api.views import histograms
from bringup.settings import Settings

NOW = datetime(2026, 11, 29, tzinfo=UTC)
NAME = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
KEY = ec.generate_private_key(ec.SECP256R1())


def certificate(days: int) -> bytes:
    builder = x509.CertificateBuilder().subject_name(NAME).issuer_name(NAME).public_key(KEY.public_key())
    builder = builder.serial_number(1).not_valid_before(NOW - timedelta(days=90))
    signed = builder.not_valid_after(NOW + timedelta(days=days)).sign(KEY, hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM)


def revoked(days: int) -> bytes:
    builder = x509.CertificateRevocationListBuilder().issuer_name(NAME).last_update(NOW - timedelta(days=9))
    signed = builder.next_update(NOW + timedelta(days=days)).sign(KEY, hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM)


@pytest.fixture
def shown(tmp_path: Path) -> Callable[..., dict[str, float]]:
    """The days that are left of each file, by its name."""

    def show(*, use_tls: bool = True, **contents: bytes) -> dict[str, float]:
        paths = {name: tmp_path / name for name in ("api_tls_cert", "api_tls_ca", "api_tls_crl")}
        for name, content in contents.items():
            paths[name].write_bytes(content)
        uses = {"api_use_tls": use_tls, "redis_use_tls": False}
        settings = Settings.model_construct().model_copy(update=paths | uses)
        samples = histograms.certificates(settings, NOW).samples
        return {sample.labels["certificate"]: sample.value / 86400 for sample in samples}

    return show


def test_each_file_is_shown_with_what_is_left_of_it(shown: Callable[..., dict[str, float]]) -> None:
    found = shown(api_tls_cert=certificate(30), api_tls_ca=certificate(3000), api_tls_crl=revoked(7))
    assert found == {"api_tls": 30, "api_tls_ca": 3000, "api_tls_crl": 7}


def test_what_has_ended_is_negative(shown: Callable[..., dict[str, float]]) -> None:
    assert shown(api_tls_cert=certificate(-1)) == {"api_tls": -1}


def test_of_two_cas_the_one_that_ends_first_is_shown(shown: Callable[..., dict[str, float]]) -> None:
    assert shown(api_tls_ca=certificate(3000) + certificate(20)) == {"api_tls_ca": 20}


@pytest.mark.parametrize("content", [b"", b"no certificate", b"-----BEGIN X509 CRL-----\nx"])
def test_what_cannot_be_read_is_not_shown(shown: Callable[..., dict[str, float]], content: bytes) -> None:
    assert shown(api_tls_cert=content) == {}


def test_without_tls_no_certificate_is_shown(shown: Callable[..., dict[str, float]]) -> None:
    assert shown(api_tls_cert=certificate(30), use_tls=False) == {}
