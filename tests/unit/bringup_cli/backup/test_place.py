"""A host whose settings are in one folder and whose Redis writes in another, as `bringup site init` makes it."""

import os
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bringup.errors import SettingsError
from bringup.settings import Settings
from bringup_cli.backup import place
from bringup_cli.backup.archive import BackupManifest, BackupRefused, StoredFile

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


class Host:
    """Its two folders, with some of what they hold."""

    def __init__(self, folder: Path) -> None:
        self.config, self.redis = folder / "etc/bringup", folder / "lib/bringup/redis"
        for path in (
            self.config / "pki/ca",
            self.config / "ca/ca",
            self.config / "redis",
            self.redis / "data/appendonlydir",
        ):
            path.mkdir(parents=True)
        self.redis.chmod(0o700)
        (self.config / "site.env").write_text("REDIS_HOST=10.0.0.1\n")
        (self.config / "pki/ca/ca-key.pem").write_text("a key")
        (self.config / "pki/ca/ca-key.pem").chmod(0o600)
        (self.config / "ca/ca/ca-key.pem").write_text("the key of the site's CA")
        (self.config / "redis/redis.conf").write_text(f'port 0\ndir "{self.redis}/data"\n')
        (self.redis / "users.acl").write_text("user default off\n")
        (self.config / "redis/users.acl").symlink_to(self.redis / "users.acl")
        base = "appendonly.aof.1.base.rdb"
        (self.redis / "data/appendonlydir" / base).write_text("REDIS0010")
        (self.redis / "data/appendonlydir/appendonly.aof.manifest").write_text(f"file {base} seq 1 type b\n")
        for path in (self.redis / "data/appendonlydir").iterdir():
            path.chmod(0o600)  # as the unit's umask has it

    def taken(self) -> tuple[BackupManifest, dict[str, StoredFile]]:
        redis = place.redis_folder(self.config)
        files, links = place.taken(self.config, redis)
        folders = place.folders_of(files, self.config, redis)
        manifest = BackupManifest(
            version="1", host="r1", made_at=NOW, folder=self.config, redis=redis, db=0, links=links, folders=folders
        )
        return manifest, files


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path / "old")


def moved(manifest: BackupManifest, folder: Path) -> BackupManifest:
    """The same backup, of a host whose folders are elsewhere."""
    places = {"folder": folder / "etc/bringup", "redis": folder / "lib/bringup/redis"}
    return manifest.model_copy(update=places)


def tree(folder: Path) -> dict[str, tuple[int, str]]:
    """Mode and content of everything below a folder."""
    return {
        str(path.relative_to(folder)): (stat.S_IMODE(path.stat().st_mode), path.read_text() if path.is_file() else "")
        for path in folder.rglob("*")
    }


def put(manifest: BackupManifest, files: dict[str, StoredFile], *, force: bool = False) -> list[str]:
    """What was reported."""
    reported: list[str] = []
    place.put(manifest, files, force=force, now=NOW, log=reported.append)
    return reported


def test_both_folders_come_back_with_modes_and_the_link_between_them(host: Host, tmp_path: Path) -> None:
    manifest, files = host.taken()
    new = moved(manifest, tmp_path / "new")
    assert put(new, files) == []
    assert tree(new.folder) == tree(host.config)
    assert tree(new.redis) == tree(host.redis)
    assert stat.S_IMODE(new.redis.stat().st_mode) == 0o700
    assert (new.folder / "redis/users.acl").readlink() == new.redis / "users.acl"


def test_nothing_is_written_where_one_of_both_is_not_empty(host: Host, tmp_path: Path) -> None:
    manifest, files = host.taken()
    new = moved(manifest, tmp_path / "new")
    new.folder.mkdir(parents=True)
    (new.folder / "kept").write_text("kept")
    with pytest.raises(BackupRefused, match="--force"):
        put(new, files)
    assert not new.redis.exists()
    assert tree(new.folder) == {"kept": (0o644, "kept")}


def test_by_force_both_are_moved_away(host: Host) -> None:
    manifest, files = host.taken()
    before = tree(host.config)
    assert len(put(manifest, files, force=True)) == 2
    assert tree(host.config) == before
    assert tree(host.config.with_name("bringup.before-restore-20261129T120000Z")) == before


def test_what_a_killed_restore_left_behind_is_not_restored(host: Host, tmp_path: Path) -> None:
    manifest, files = host.taken()
    new = moved(manifest, tmp_path / "new")
    (new.folder.parent / ".bringup.restore").mkdir(parents=True)
    (new.folder.parent / ".bringup.restore/half").write_text("half")
    put(new, files)
    assert not (new.folder / "half").exists()
    assert [path.name for path in new.folder.parent.iterdir()] == ["bringup"]


def test_a_host_without_redis_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BackupRefused, match="on the host of Redis"):
        place.redis_folder(tmp_path)


@pytest.mark.parametrize("name", ["pki_dir", "devices_file", "operators_file", "bmc_credentials_dir"])
def test_a_file_of_the_settings_outside_of_the_folder_is_refused(host: Host, tmp_path: Path, name: str) -> None:
    inside = dict.fromkeys(("pki_dir", "devices_file", "operators_file", "bmc_credentials_dir"), host.config / "x")
    place.require_whole(Settings.model_construct().model_copy(update=inside), host.config)
    (tmp_path / "outside").touch()
    outside = Settings.model_construct().model_copy(update=inside | {name: tmp_path / "outside"})
    with pytest.raises(SettingsError, match=name.upper()):
        place.require_whole(outside, host.config)


def test_a_restore_is_refused_while_a_process_has_redis_files_open(host: Host) -> None:
    manifest, files = host.taken()
    before = tree(host.redis)
    with (host.redis / "data/appendonlydir/appendonly.aof.manifest").open():
        with pytest.raises(BackupRefused, match=f"process {os.getpid()} has its files open"):
            put(manifest, files, force=True)
        assert tree(host.redis) == before
    put(manifest, files, force=True)


def test_every_file_is_on_the_disk_before_its_folder_has_its_name_and_every_name_afterwards(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A power cut after "restored" must not leave an empty site: what the system calls leave in memory is lost then."""
    manifest, files = host.taken()
    new = moved(manifest, tmp_path / "new")
    calls: list[tuple[str, Path]] = []
    fsync, replace = os.fsync, Path.replace

    def synced(descriptor: int) -> None:
        calls.append(("sync", Path(f"/proc/self/fd/{descriptor}").readlink()))
        fsync(descriptor)

    def renamed(path: Path, target: Path) -> Path:
        calls.append(("rename", target))
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", renamed)
    put(new, files)
    for folder in (new.redis, new.folder):
        switched = calls.index(("rename", folder))
        inside = [path for path in folder.rglob("*") if not path.is_symlink()]
        fresh = folder.with_name(f".{folder.name}.restore")
        contents = {fresh / path.relative_to(folder) for path in inside if path.is_file()}
        assert contents <= {path for kind, path in calls[:switched] if kind == "sync"}
        names = {folder.parent, folder, *(path for path in inside if path.is_dir())}
        assert names <= {path for kind, path in calls[switched:] if kind == "sync"}
