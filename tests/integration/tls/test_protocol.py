"""Versions and ciphers of the API and of Redis, as openssl sees them from outside: Mozilla's intermediate or better."""

import subprocess

import pytest

from tests.integration.tls.conftest import Served

STRONG = (
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
)
WEAK = ("ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA384", "AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-CCM8", "aNULL")


def _s_client(served: Served, server: str, *arguments: str) -> str:
    settings, root = served.site.settings, served.site.store.root
    port = settings.redis_port if server == "redis" else served.port
    done = subprocess.run(
        [
            *("openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-CAfile", str(served.site.store.ca_certificate)),
            *("-cert", str(root / "workers/worker-cert.pem"), "-key", str(root / "workers/worker-key.pem")),
            *("-verify_ip", "127.0.0.1", "-verify_return_error", *arguments),
        ],
        input="",
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize("server", ["api", "redis"])
@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
def test_it_speaks_this_version_with_a_certificate_that_verifies(strict: Served, server: str, version: str) -> None:
    output = _s_client(strict, server, f"-{version.lower().replace('v', '').replace('.', '_')}")
    assert f"New, {version}" in output
    assert "Verify return code: 0 (ok)" in output


@pytest.mark.parametrize("server", ["api", "redis"])
@pytest.mark.parametrize("version", ["-tls1", "-tls1_1"])
def test_it_refuses_this_version_by_an_alert_of_its_own(strict: Served, server: str, version: str) -> None:
    output = _s_client(strict, server, version, "-cipher", "ALL:@SECLEVEL=0")
    assert "alert protocol version" in output


@pytest.mark.parametrize("server", ["api", "redis"])
@pytest.mark.parametrize("cipher", STRONG)
def test_it_accepts_a_strong_cipher(strict: Served, server: str, cipher: str) -> None:
    assert f"Cipher is {cipher}" in _s_client(strict, server, "-tls1_2", "-cipher", cipher)


@pytest.mark.parametrize("server", ["api", "redis"])
@pytest.mark.parametrize("cipher", WEAK)
def test_it_refuses_a_weak_cipher(strict: Served, server: str, cipher: str) -> None:
    output = _s_client(strict, server, "-tls1_2", "-cipher", f"{cipher}:@SECLEVEL=0")
    assert "alert handshake failure" in output
