"""The commands themselves: from an enrolled host to one that has joined, with the tool of Debian in between."""

import io
import os
import pty
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.integration.site.conftest import SeveralHosts

PASSPHRASE = "a passphrase of the tests"


def opened_by_age(path: Path) -> bytes:
    """What Debian's `age -d` makes of a file: it asks for the passphrase on a terminal."""
    binary = shutil.which("age")
    assert binary, "age is not installed; apt-get install age"
    ours, theirs = pty.openpty()
    command = ["setsid", "--ctty", binary, "-d", "-o", str(path.with_suffix(".tar")), str(path)]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        assert b"assphrase" in os.read(ours, 1024)
        os.write(ours, f"{PASSPHRASE}\n".encode())
        assert process.wait(120) == 0
    os.close(ours)
    return path.with_suffix(".tar").read_bytes()


def test_a_host_is_enrolled_and_joins(several: SeveralHosts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SITE_PASSPHRASE", PASSPHRASE)
    monkeypatch.chdir(several.folder)
    output = several.bringup("site", "enroll", "r1", "--role", "redis", "--san", "127.0.0.1")
    assert "bringup site join r1.site.age" in output
    assert PASSPHRASE not in output
    path = several.folder / "r1.site.age"
    assert path.stat().st_mode & 0o777 == 0o600

    with tarfile.open(fileobj=io.BytesIO(opened_by_age(path))) as tar:
        assert "pki/redis/redis-key.pem" in tar.getnames()
    joined = several.bringup("site", "join", str(path), "--into", str(several.folder / "r1"))
    assert "PASSED" in joined
    assert (several.folder / "r1/redis/redis.conf").exists()

    monkeypatch.setenv("SITE_PASSPHRASE", "another passphrase")
    refused = several.bringup("site", "join", str(path), "--into", str(several.folder / "r2"), exit_code=1)
    assert not (several.folder / "r2").exists()
    assert refused == ""
