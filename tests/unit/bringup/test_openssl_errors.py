"""The errors of OpenSSL become sentences, and each sentence leads to a command."""

import ssl
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bringup.openssl_errors import TO_API, TO_REDIS, which_expired
from bringup.tls_failures import SILENCE, cause_and_hint, meaning_of
from tests.unit.pki.kit import WORKER, init_pki

DATES = {"good": datetime.now(UTC), "ended": datetime(2020, 1, 1, tzinfo=UTC)}


def _ssl_error(reason: str) -> ssl.SSLError:
    error = ssl.SSLError(1, f"[SSL: {reason}] something (_ssl.c:1)")
    error.reason = reason
    return error


@pytest.mark.parametrize(
    ("reason", "words", "hint"),
    [
        ("TLSV13_ALERT_CERTIFICATE_REQUIRED", "asks for a client certificate and got none", "set REDIS_TLS_CERT"),
        ("TLSV1_ALERT_UNKNOWN_CA", "does not trust the CA of our certificate", "bringup pki verify"),
        (
            "SSLV3_ALERT_CERTIFICATE_EXPIRED",
            "or its own list of revoked certificates (CRL), has expired",
            "bringup pki renew",
        ),
        ("SSLV3_ALERT_UNSUPPORTED_CERTIFICATE", "for another purpose", "set REDIS_TLS_CERT to a worker certificate"),
        ("WRONG_VERSION_NUMBER", "does not speak TLS", "bringup pki verify"),
        ("SOMETHING_NEW", "TLS failed: something new", "bringup pki verify"),
    ],
)
def test_a_refusal_by_tls_is_explained_with_a_fix(reason: str, words: str, hint: str) -> None:
    text = meaning_of(_ssl_error(reason))
    assert words in text
    assert hint in cause_and_hint(text, TO_REDIS)[1]


def test_what_the_network_says_is_explained() -> None:
    assert "nothing listens" in meaning_of(ConnectionRefusedError(111, "Connection refused"))
    assert meaning_of(TimeoutError()) == SILENCE
    assert "cut the connection" in meaning_of(ConnectionResetError(104, "reset"))


def test_a_certificate_of_another_ca_names_the_setting_to_look_at() -> None:
    text = "the server's certificate is refused by us: unable to get local issuer certificate"
    cause, hint = cause_and_hint(text, TO_API)
    assert "API_TLS_CA" in cause
    assert "API_TLS_CA" in hint


def test_an_expired_list_of_the_server_is_not_taken_for_our_own_certificate(tmp_path: Path) -> None:
    good, ended = (init_pki(tmp_path / name, at).files(WORKER).certificate for name, at in DATES.items())
    error = _ssl_error("SSLV3_ALERT_CERTIFICATE_EXPIRED")
    text = which_expired(meaning_of(error), good)
    assert "list of revoked certificates (CRL) has expired" in text
    assert "our certificate" not in text
    assert cause_and_hint(text, TO_API)[1] == "bringup pki crl"
    text = which_expired(meaning_of(error), ended)
    assert f"our certificate {ended} has expired (2020-" in text
    assert "CRL" not in text
    assert which_expired(meaning_of(error), tmp_path / "none") == meaning_of(error)
