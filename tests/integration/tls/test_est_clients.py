"""Other clients of EST renew here, too: strongSwan's, and curl with openssl as RFC 7030 has the messages."""

import base64
import shutil
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from threading import Event, Thread

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from bringup.model import utc_now
from bringup_cli.demo.stack import Stack
from pki.names import Identity, Role
from pki.profile import Validity
from pki.session import CaSession
from tests.integration.tls.conftest import Served

EST = "/.well-known/est"


def run(*command: str, **kwargs: object) -> subprocess.CompletedProcess[bytes]:
    done: subprocess.CompletedProcess[bytes] = subprocess.run(
        command, capture_output=True, check=False, timeout=90, **kwargs
    )  # type: ignore[call-overload]
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done


@pytest.fixture(scope="module")
def due(lenient: Served) -> Served:
    """Two tailers whose certificates are past two thirds of their lives."""
    validity = Validity(leaf_days=1)
    store = lenient.site.store
    with CaSession.open(store, "test", utc_now() - timedelta(hours=20), validity=validity, wait_s=60) as session:
        for name in ("swan", "curl"):
            session.issue(Identity(Role.TAILER, name), ())
        session.commit()
    return lenient


@pytest.fixture
def timer(due: Served) -> Iterator[None]:
    """`bringup site sign` again and again, as its timer runs it."""
    ended = Event()

    def passes() -> None:
        while not ended.wait(1):
            # In a process of its own: this thread may not change the environment of the test, which goes on meanwhile.
            Stack.command(due.site.stack, "site", "sign", "--days", "30", check=False)

    thread = Thread(target=passes)
    thread.start()
    yield
    ended.set()
    thread.join()


def old(served: Served, name: str) -> tuple[Path, Path]:
    files = served.site.store.files(Identity(Role.TAILER, name))
    return files.certificate, files.key


def check_renewed(served: Served, name: str, text: bytes, key: Path) -> None:
    certificate = x509.load_pem_x509_certificate(text)
    assert [entry for entry in served.site.store.ledger().entries if int(entry.serial, 16) == certificate.serial_number]
    assert f"{name}.tailer.bringup.internal" in certificate.subject.rfc4514_string()
    assert certificate.not_valid_after_utc > utc_now() + timedelta(days=29)
    public = run("openssl", "pkey", "-in", str(key), "-pubout").stdout
    assert run("openssl", "x509", "-pubkey", "-noout", input=text).stdout == public


@pytest.mark.slow  # scripts/test-slow installs it
@pytest.mark.usefixtures("timer")
def test_strongswan_renews(due: Served, tmp_path: Path) -> None:
    assert shutil.which("pki"), "strongSwan's pki is not installed; apt-get install strongswan-pki"
    certificate, key = old(due, "swan")
    kept = tmp_path / "old.pem", tmp_path / "old-key.pem"
    for source, copy in zip((certificate, key), kept, strict=True):
        shutil.copy(source, copy)  # the CA drops a key that fits no longer
    next_key, request = tmp_path / "next-key.pem", tmp_path / "request.der"
    next_key.write_bytes(run("pki", "--gen", "--type", "ecdsa", "--size", "256", "--outform", "pem").stdout)
    name = "swan.tailer.bringup.internal"
    request.write_bytes(
        run("pki", "--req", "--type", "ecdsa", "--in", str(next_key), "--dn", f"CN={name}", "--san", name).stdout
    )
    ca, url = str(due.site.store.ca_certificate), f"https://127.0.0.1:{due.port}"
    found = run(
        *("pki", "--est", "--url", url, "--cacert", ca, "--in", str(request), "--outform", "pem"),
        *("--cert", str(kept[0]), "--key", str(kept[1]), "--interval", "1", "--maxpolltime", "80"),
    )
    check_renewed(due, "swan", found.stdout, next_key)


@pytest.mark.usefixtures("timer")
def test_curl_and_openssl_renew(due: Served, tmp_path: Path) -> None:
    certificate, key = old(due, "curl")
    kept = tmp_path / "old.pem", tmp_path / "old-key.pem"
    for source, copy in zip((certificate, key), kept, strict=True):
        shutil.copy(source, copy)
    next_key, name = tmp_path / "next-key.pem", "curl.tailer.bringup.internal"
    make = ("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    more = (
        "-keyout",
        str(next_key),
        "-subj",
        f"/CN={name}",
        "-addext",
        f"subjectAltName=DNS:{name}",
        "-outform",
        "DER",
    )
    request = base64.b64encode(run(*make, *more).stdout)
    url = f"https://127.0.0.1:{due.port}{EST}/simplereenroll"
    curl = ("curl", "-s", "--cacert", str(due.site.store.ca_certificate), "--cert", str(kept[0]), "--key", str(kept[1]))
    answer, status = tmp_path / "answer", b"202"
    deadline = utc_now() + timedelta(seconds=80)
    while status == b"202" and utc_now() < deadline:
        status = run(
            *(*curl, "-H", "Content-Type: application/pkcs10", "--data-binary", "@-", "-o", str(answer)),
            *("-w", "%{http_code}", url),
            input=request,
        ).stdout
    assert status == b"200", answer.read_bytes()
    (found,) = pkcs7.load_der_pkcs7_certificates(base64.b64decode(answer.read_bytes()))
    check_renewed(due, "curl", found.public_bytes(Encoding.PEM), next_key)
