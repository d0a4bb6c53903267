"""The commands themselves: from an enrolled host to one that has joined, with the tool of Debian in between."""

import io
import os
import pty
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from bringup_cli.site.registry import Registry
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
    assert "does not know yet that it has joined" in joined  # there is no API
    assert (several.folder / "r1/redis/redis.conf").exists()

    monkeypatch.setenv("SITE_PASSPHRASE", "another passphrase")
    refused = several.bringup("site", "join", str(path), "--into", str(several.folder / "r2"), exit_code=1)
    assert not (several.folder / "r2").exists()
    assert refused == ""


def enroll_with(several: SeveralHosts, role: str, **changes: str) -> str:
    """What `enroll` prints where settings are changed; an empty text: the setting is not there."""
    lines = several.env_file.read_text().splitlines()
    kept = [line for line in lines if line.partition("=")[0] not in changes]
    env_file = several.ca / "changed.env"
    env_file.write_text("\n".join([*kept, *(f"{name}={value}" for name, value in changes.items() if value)]) + "\n")
    env_file.chmod(0o600)
    command = [sys.executable, "-m", "bringup", "--env-file", str(env_file), "site", "enroll", "t1", "--role", role]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=several.folder)
    assert not (several.folder / "t1.site.age").exists()
    assert done.returncode == 2, done
    assert Registry.read(several.store).hosts == {}
    return done.stderr


def test_nothing_is_enrolled_with_settings_that_other_hosts_cannot_use(several: SeveralHosts) -> None:
    everywhere = {"CALLBACK_API_URL": "https://10.20.0.11:5000", "REDIS_HOST": "10.20.0.11"}
    unset = enroll_with(several, "worker", CALLBACK_API_URL="")
    assert "CALLBACK_API_URL: must be set" in unset
    assert "https://127.0.0.1" in unset  # what they would have taken
    production = enroll_with(several, "worker", ENVIRONMENT="production", CALLBACK_API_URL="https://localhost:5000")
    assert "CALLBACK_API_URL: localhost is every host itself" in production
    assert "REDIS_HOST: 127.0.0.1 is every host itself" in production
    relative = enroll_with(several, "tailer", **everywhere, DHCP_PATH="dnsmasq.log")
    assert "DHCP_PATH: dnsmasq.log must be an absolute path" in relative
