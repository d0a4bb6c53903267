"""A backup of a site that works, restored: everything is there again, and nothing is powered until a person looked."""

import errno
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyrage
import pytest

from tests import quick_age
from tests.integration.api.conftest import EPOCH
from tests.integration.redis_state.filled import Filled

PASSPHRASE = "a passphrase of the tests"
RUN_RESTING = f"02-00-00-00-00-04-{EPOCH}"


class Site:
    """A filled site, with a backup of it."""

    def __init__(self, folder: Path, *, use_tls: bool) -> None:
        self.folder, self.outside = folder / "site", folder / "outside"
        for path in (self.folder, self.outside):
            path.mkdir()
        self.filled = Filled(self.folder, use_tls=use_tls)
        self.backup = self.outside / "site.backup"
        self.passphrase = self.outside / "passphrase"
        self.passphrase.write_text(f"{PASSPHRASE}\n")

    def run(self, *arguments: object, check: bool = True) -> subprocess.CompletedProcess[str]:
        words = [str(one) for one in (*arguments, "--passphrase-file", self.passphrase)]
        return self.filled.stack.command(*words, check=check)

    def stop(self) -> None:
        for name in ("api", "redis"):
            self.filled.stack.stop(name)

    def start(self, *options: str) -> None:
        self.filled.stack.run_redis()
        self.filled.stack.start("api", *options)


@pytest.fixture(
    scope="module", params=[pytest.param(False, marks=pytest.mark.slow, id="plain"), pytest.param(True, id="tls")]
)
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """It was filled, its backup taken while it ran, then it was stopped and lost; nothing is restored yet."""
    made = Site(tmp_path_factory.mktemp("backup"), use_tls=request.param)
    with made.filled.stack:
        made.filled.start()
        made.filled.fill()
        with pytest.MonkeyPatch.context() as patch:  # it is opened again and again
            patch.setattr(pyrage.passphrase, "encrypt", quick_age.encrypt)
            made.run("backup", made.backup, "--folder", made.folder)
        yield made


@pytest.fixture(scope="module")
def restored(site: Site) -> tuple[Site, dict[str, Any], dict[str, bytes]]:
    """The site after its restore, with what it held before."""
    held, files = site.filled.held(), files_of(site.folder)
    site.stop()
    shutil.rmtree(site.folder)
    site.folder.mkdir()
    site.run("restore", site.backup)
    site.start()
    return site, held, files


def files_of(folder: Path) -> dict[str, bytes]:
    """What a person or a command wrote, by name."""
    names = (".env", "devices.toml", "pki/**/*", "redis/*")
    paths = [path for name in names for path in folder.glob(name) if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def test_a_backup_is_readable_by_its_owner_alone_and_shows_no_secret(site: Site) -> None:
    assert stat.S_IMODE(site.backup.stat().st_mode) == 0o600
    content = site.backup.read_bytes()
    assert content.startswith(b"age-encryption.org/v1\n-> scrypt ")
    assert b"PRIVATE KEY" not in content
    assert b"API_TOKEN" not in content


def test_a_dry_run_writes_nothing(site: Site, tmp_path: Path) -> None:
    done = site.run("restore", site.backup, "--into", tmp_path / "new", "--dry-run", "--output", "json")
    assert "config/devices.toml" in done.stdout
    assert not (tmp_path / "new").exists()


def test_a_restore_over_a_site_is_refused(site: Site) -> None:
    done = site.run("restore", site.backup, check=False)
    assert done.returncode == 1
    assert "is not empty" in done.stderr


def test_a_restore_over_a_running_redis_is_refused_also_by_force(site: Site) -> None:
    before = files_of(site.folder)
    done = site.run("restore", site.backup, "--force", check=False)
    assert done.returncode == 1
    assert "a Redis runs on" in done.stderr
    assert f"process {site.filled.stack.pid('redis')} has its files open" in done.stderr
    assert files_of(site.folder) == before
    assert not list(site.folder.parent.glob("*before-restore*"))


def test_a_restore_is_refused_while_the_port_of_its_redis_answers(site: Site, tmp_path: Path) -> None:
    """The Redis of another user, whose open files are not seen."""
    conf = tmp_path / "new/redis/redis.conf"
    conf.parent.mkdir(parents=True)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        conf.write_text(f"bind 127.0.0.1 -::1\nport 0\ntls-port {port}\n")
        done = site.run("restore", site.backup, "--into", tmp_path / "new", "--force", check=False)
    assert done.returncode == 1
    assert f"127.0.0.1:{port}, where its redis.conf listens, answers" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


def test_a_wrong_passphrase_opens_nothing(site: Site, tmp_path: Path) -> None:
    other = tmp_path / "passphrase"
    other.write_text("another passphrase of the tests")
    arguments = ["restore", str(site.backup), "--into", str(tmp_path / "new"), "--passphrase-file", str(other)]
    done = site.filled.stack.command(*arguments, check=False)
    assert done.returncode == 1
    assert "the passphrase is wrong, or the file is damaged" in done.stderr
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty"])
def test_a_damaged_backup_restores_nothing(site: Site, tmp_path: Path, damage: str) -> None:
    content = bytearray(site.backup.read_bytes())
    content[len(content) // 2] ^= damage == "flipped"
    kept = {"truncated": len(content) - 1, "flipped": len(content), "empty": 0}[damage]
    damaged = tmp_path / "damaged.backup"
    damaged.write_bytes(content[:kept])
    done = site.run("restore", damaged, "--into", tmp_path / "new", check=False)
    assert done.returncode == 1
    assert "damaged" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["damaged.backup"]


def test_a_short_passphrase_is_refused(site: Site, tmp_path: Path) -> None:
    (tmp_path / "passphrase").write_text("short")
    arguments = ["backup", str(tmp_path / "new.backup"), "--passphrase-file", str(tmp_path / "passphrase")]
    done = site.filled.stack.command(*arguments, check=False)
    assert done.returncode == 2
    assert "at least 16 characters" in done.stderr
    assert not (tmp_path / "new.backup").exists()


def test_an_inventory_outside_of_the_folder_is_refused(site: Site, tmp_path: Path) -> None:
    done = site.run("backup", tmp_path / "new.backup", "--folder", site.folder / "redis", check=False)
    assert done.returncode == 2
    assert "DEVICES_FILE" in done.stderr


def test_a_full_disk_leaves_the_earlier_backup_and_no_other_file(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    earlier = tmp_path / "site.backup"
    earlier.write_bytes(b"of yesterday")

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(earlier))

    monkeypatch.setattr(os, "fsync", full)
    monkeypatch.setattr(pyrage.passphrase, "encrypt", quick_age.encrypt)
    done = site.run("backup", earlier, "--folder", site.folder, check=False)
    assert done.returncode == 1
    assert "No space left on device" in done.stderr
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("site.backup", b"of yesterday")]


def test_a_full_disk_during_a_restore_leaves_what_was_there(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = tmp_path / "new"
    new.mkdir()
    (new / "kept").write_text("kept")

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(new))

    monkeypatch.setattr(os, "fsync", full)
    done = site.run("restore", site.backup, "--into", new, "--force", check=False)
    assert done.returncode == 1
    assert [path.name for path in tmp_path.iterdir()] == ["new"]
    assert (new / "kept").read_text() == "kept"


@pytest.mark.parametrize("after", [0, 7])
def test_a_restore_that_is_killed_leaves_the_folder_empty_or_whole(site: Site, tmp_path: Path, after: int) -> None:
    """It is killed after so many files; then it is run again."""
    new = tmp_path / "new"
    code = (
        "import os, signal, sys; from bringup_cli import root\n"
        f"left, fsync = [{after}], os.fsync\n"
        "def counted(descriptor):\n"
        "    left[0] -= 1\n"
        "    os.kill(os.getpid(), signal.SIGKILL) if left[0] < 0 else fsync(descriptor)\n"
        "os.fsync = counted; root.run(sys.argv[1:])"
    )
    arguments = ["restore", str(site.backup), "--into", str(new), "--passphrase-file", str(site.passphrase)]
    killed = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, timeout=180, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert not new.exists()
    site.run("restore", site.backup, "--into", new)
    assert files_of(new).keys() == files_of(site.folder).keys()
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


def test_a_backup_that_is_taken_under_writes_ends_with_a_whole_command(site: Site, tmp_path: Path) -> None:
    deadline = time.monotonic() + 1
    number = 0
    while time.monotonic() < deadline:
        site.filled.ok("PATCH", "/devices/b", {"maintenance": f"number {number}"})
        site.run("backup", tmp_path / "new.backup", "--folder", site.folder)
        number += 1
    new = tmp_path / "new"
    site.run("restore", tmp_path / "new.backup", "--into", new)
    (manifest,) = new.glob("redis/data/appendonlydir/*.manifest")
    checked = subprocess.run(["redis-check-aof", manifest], capture_output=True, text=True, timeout=180, check=False)
    assert checked.returncode == 0, checked.stdout


def test_what_was_there_is_moved_away_by_force(site: Site, tmp_path: Path) -> None:
    new = tmp_path / "new"
    new.mkdir()
    (new / "earlier").write_text("earlier")
    site.run("restore", site.backup, "--into", new, "--force")
    (kept,) = tmp_path.glob("new.before-restore-*")
    assert (kept / "earlier").read_text() == "earlier"
    assert (new / "devices.toml").exists()


# From here on the site is the restored one.


def test_everything_is_as_it_was_but_withheld(restored: tuple[Site, dict[str, Any], dict[str, bytes]]) -> None:
    site, held, files = restored
    assert files_of(site.folder) == files
    found = site.filled.held()
    for name in ("runs", "timelines", "report"):
        assert found[name] == held[name]
    states = [{device["name"]: device["state"] for device in one["devices"]["devices"]} for one in (found, held)]
    assert states[0] == states[1]


def test_secrets_keep_their_modes(restored: tuple[Site, dict[str, Any], dict[str, bytes]]) -> None:
    site, *_ = restored
    secrets = [site.folder / ".env", *site.folder.glob("pki/**/*-key.pem"), *site.folder.glob("redis/*.env")]
    assert {stat.S_IMODE(path.stat().st_mode) for path in secrets} == {0o600}


def test_no_machine_starts_until_a_person_has_looked(
    restored: tuple[Site, dict[str, Any], dict[str, bytes]],
) -> None:
    site, *_ = restored
    ready = site.filled.call("GET", "/ready")
    assert ready.status_code == 503
    assert "has lost 1 changes" in ready.text
    assert site.filled.lease(RUN_RESTING)["decision"] == "audit_only"
    site.stop()  # nor after a restart, which reads the same file again
    site.start()
    assert site.filled.call("GET", "/ready").status_code == 503
    site.filled.stack.stop("api")
    site.filled.stack.start("api", "--accept-redis")
    assert site.filled.call("GET", "/ready").status_code == 200
    site.stop()
    site.start()
    assert site.filled.call("GET", "/ready").status_code == 200
