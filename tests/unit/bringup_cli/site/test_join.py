"""A host after it has joined: owners, modes, repeated, killed; and what it refuses."""

import os
import stat
from datetime import timedelta
from pathlib import Path

import pytest

from bringup.settings import load, pki_rules
from bringup_cli.site.bundle import BundleRefused
from bringup_cli.site.host_files import HostFolder
from bringup_cli.site.join import Joined, join
from bringup_cli.site.registry import Host, HostRole
from pki.errors import Locked
from pki.files import exclusive_lock
from tests.unit.bringup_cli.site.conftest import NOW, Enrolling


def joined(ca: Enrolling, folder: Path, host: Host, *, minutes: int = 0, force: bool = False) -> Joined:
    """Join with the host's file, some minutes after it was made."""
    made = host.use_until - timedelta(hours=24)
    return join(folder, ca.manifest(host, made), ca.files(host), made + timedelta(minutes=minutes), force=force)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "lock"
    }


def test_everything_is_in_its_place_and_private(ca: Enrolling, tmp_path: Path) -> None:
    folder = tmp_path / "w1"
    host = ca.host("w1", HostRole.WORKER)
    joined(ca, folder, host)
    modes = {name: stat.S_IMODE((folder / name).stat().st_mode) for name in contents(folder)}
    assert modes == {
        ".join/id": 0o600,
        "manifest.json": 0o600,
        "worker.env": 0o600,
        "pki/ca/ca-cert.pem": 0o644,
        "pki/ca/ca-crl.pem": 0o644,
        "pki/workers/worker-cert.pem": 0o644,
        "pki/workers/worker-key.pem": 0o600,
        "pki/issued/host/w1-cert.pem": 0o644,
        "pki/issued/host/w1-key.pem": 0o600,
    }
    settings = load({}, folder / "worker.env", rules=pki_rules).settings
    assert settings.path_of("redis_tls_cert") == folder / "pki/workers/worker-cert.pem"
    assert settings.roles == {"worker"}


def test_joining_twice_changes_nothing(ca: Enrolling, tmp_path: Path) -> None:
    folder, host = tmp_path / "w1", ca.host("w1", HostRole.WORKER)
    joined(ca, folder, host)
    first = contents(folder)
    joined(ca, folder, host)
    assert contents(folder) == first


def test_a_file_that_is_too_old_is_refused(ca: Enrolling, tmp_path: Path) -> None:
    host = ca.host("w1", HostRole.WORKER)
    with pytest.raises(BundleRefused, match="bringup site enroll w1"):
        joined(ca, tmp_path / "w1", host, minutes=24 * 60 + 1)
    assert not (tmp_path / "w1").exists()
    joined(ca, tmp_path / "w1", host, minutes=24 * 60)


def test_a_file_from_the_future_is_refused_for_the_clock_is_wrong(ca: Enrolling, tmp_path: Path) -> None:
    host = ca.host("w1", HostRole.WORKER)
    with pytest.raises(BundleRefused, match="is the clock of this host right"):
        joined(ca, tmp_path / "w1", host, minutes=-6)
    assert not (tmp_path / "w1").exists()
    joined(ca, tmp_path / "w1", host, minutes=-4)


def test_the_file_of_another_host_is_refused(ca: Enrolling, tmp_path: Path) -> None:
    folder = tmp_path / "w1"
    joined(ca, folder, ca.host("w1", HostRole.WORKER))
    before = contents(folder)
    with pytest.raises(BundleRefused, match="that of the host w1, and the file is for w2"):
        joined(ca, folder, ca.host("w2", HostRole.WORKER))
    assert contents(folder) == before
    joined(ca, folder, ca.host("w2", HostRole.WORKER), force=True)
    assert (folder / "pki/issued/host/w2-key.pem").exists()


def test_an_older_file_does_not_bring_back_what_was_replaced(ca: Enrolling, tmp_path: Path) -> None:
    folder = tmp_path / "w1"
    older = ca.host("w1", HostRole.WORKER)
    newer = ca.host("w1", HostRole.WORKER, now=NOW + timedelta(hours=1))
    joined(ca, folder, newer)
    with pytest.raises(BundleRefused, match="holds a newer one"):
        joined(ca, folder, older)


def test_redis_keeps_the_users_that_were_added_since(ca: Enrolling, tmp_path: Path) -> None:
    folder, host = tmp_path / "r1", ca.host("r1", HostRole.REDIS)
    joined(ca, folder, host)
    users = folder / "redis/users.acl"
    users.write_text(users.read_text() + "user worker-w9 on\n")
    joined(ca, folder, host)
    assert "worker-w9" in users.read_text()
    assert stat.S_IMODE((folder / "redis").stat().st_mode) == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_files_belong_to_the_owner_of_their_folder(ca: Enrolling, tmp_path: Path) -> None:
    folder, host = tmp_path / "w1", ca.host("w1", HostRole.WORKER)
    joined(ca, folder, host)
    os.chown(folder / "pki/workers", 12345, 12345)
    os.chown(folder / "pki/workers/worker-key.pem", 12345, 12345)
    joined(ca, folder, ca.host("w1", HostRole.WORKER, now=NOW + timedelta(days=3640)))
    assert (folder / "pki/workers/worker-key.pem").stat().st_uid == 12345


@pytest.mark.parametrize("name", ["with blank", 'with"quote', "with#hash", "with$dollar"])
def test_a_folder_that_settings_cannot_name_is_refused(ca: Enrolling, tmp_path: Path, name: str) -> None:
    with pytest.raises(BundleRefused, match="letters, digits"):
        joined(ca, tmp_path / name, ca.host("w1", HostRole.WORKER))


def test_each_folder_that_was_joined_into_is_another_join(ca: Enrolling, tmp_path: Path) -> None:
    host = ca.host("w1", HostRole.WORKER)
    reports = []
    for name in ("w1", "w1", "copy"):
        joined(ca, tmp_path / name, host)
        reports.append(HostFolder.read(tmp_path / name).report().join)
    first, again, copy = reports
    assert first
    assert copy
    assert first == again
    assert first.id != copy.id
    assert first.bundle_made_at == copy.bundle_made_at == NOW
    assert stat.S_IMODE((tmp_path / "w1/.join/id").stat().st_mode) == 0o600


def test_a_folder_whose_manifest_cannot_be_read_is_not_taken_over(ca: Enrolling, tmp_path: Path) -> None:
    folder, host = tmp_path / "w1", ca.host("w1", HostRole.WORKER)
    joined(ca, folder, host)
    (folder / "manifest.json").write_text("{}")
    before = contents(folder)
    with pytest.raises(BundleRefused, match="cannot be read as that of a host; --force replaces"):
        joined(ca, folder, host)
    assert contents(folder) == before
    joined(ca, folder, host, force=True)
    assert HostFolder.read(folder).manifest.host == "w1"


def test_two_joins_at_once_do_not_mix(ca: Enrolling, tmp_path: Path) -> None:
    folder, host = tmp_path / "w1", ca.host("w1", HostRole.WORKER)
    joined(ca, folder, host)
    with exclusive_lock(folder / ".join/lock", "the first"), pytest.raises(Locked, match="the first"):
        joined(ca, folder, host)
