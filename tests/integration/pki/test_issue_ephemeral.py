"""``bringup pki issue --stdout``: what a run's certificate is made with, many at once too."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from pki.store import Store
from tests.unit.pki import kit

AT_ONCE = 6


def command(folder: Path, *words: str) -> "list[str]":
    (folder / "empty.env").touch()
    return [sys.executable, "-m", "bringup", "--env-file", str(folder / "empty.env"), "pki", "issue", *words]


def start(folder: Path, *words: str) -> "subprocess.Popen[bytes]":
    environ = {"PATH": os.environ["PATH"], "PKI_DIR": str(folder / "pki")}
    pipe = subprocess.PIPE
    return subprocess.Popen(command(folder, *words), cwd=folder, env=environ, stdout=pipe, stderr=pipe)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return kit.init_pki(tmp_path / "pki", datetime.now(UTC))


def test_it_prints_certificate_and_key_and_nothing_else(store: Store, tmp_path: Path) -> None:
    process = start(tmp_path, "run", "--name", "02-00-00-00-00-01-1", "--hours", "24", "--stdout")
    out, err = process.communicate(timeout=180)
    assert (process.returncode, err) == (0, b"")
    certificate = x509.load_pem_x509_certificate(out)
    assert certificate.public_key() == load_pem_private_key(out, password=None).public_key()
    assert out.count(b"-----BEGIN") == 2
    assert out.startswith(b"-----BEGIN CERTIFICATE-----\n")
    assert certificate.not_valid_after_utc - datetime.now(UTC) <= timedelta(hours=24)
    assert not (store.root / "issued").exists()


def test_several_that_begin_at_once_wait_for_each_other_and_all_are_on_record(store: Store, tmp_path: Path) -> None:
    before = len(store.ledger().entries)
    running = [
        start(tmp_path, "run", "--name", f"02-00-00-00-00-01-{n}", "--hours", "1", "--stdout") for n in range(AT_ONCE)
    ]
    ended = [process.communicate(timeout=120) for process in running]
    assert [process.returncode for process in running] == [0] * AT_ONCE, ended
    assert len(store.ledger().entries) == before + AT_ONCE
    assert len({x509.load_pem_x509_certificate(out).serial_number for out, _ in ended}) == AT_ONCE


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--hours", "24"), b"--hours: only with --stdout"),
        (("--stdout", "--csr", "x.pem"), b"omit one of them"),
        (("--stdout", "--hours", "0"), b"--hours"),
    ],
)
def test_what_makes_no_sense_together_is_one_message(
    store: Store, tmp_path: Path, words: tuple[str, ...], message: bytes
) -> None:
    process = start(tmp_path, "run", "--name", "x", *words)
    out, err = process.communicate(timeout=180)
    assert (process.returncode, out) == (2, b"")
    assert message in err


def test_a_key_never_goes_to_a_terminal(store: Store, tmp_path: Path) -> None:
    ours, theirs = os.openpty()
    environ = {"PATH": os.environ["PATH"], "PKI_DIR": str(tmp_path / "pki")}
    words = command(tmp_path, "run", "--name", "x", "--stdout")
    done = subprocess.run(
        words, cwd=tmp_path, env=environ, stdout=theirs, stderr=subprocess.PIPE, check=False, timeout=180
    )
    os.close(theirs)
    os.close(ours)
    assert done.returncode == 2
    assert b"to a file or a pipe only" in done.stderr
    assert len(store.ledger().entries) == 3
