"""What a backup takes from a host, and how it is put in place again: whole, or not at all."""

import os
import re
import shlex
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path, PurePosixPath

from bringup.errors import SettingsError
from bringup.settings import Settings
from bringup_cli.backup import append_only
from bringup_cli.backup.archive import BackupManifest, BackupRefused, StoredFile, StoredFolder, owner_of
from bringup_cli.backup.running import redis_on
from pki.files import sync_directory

# In the folder of settings: what `init`, `pki`, `redis-conf`, `operator` and `site` write, and what people write.
_NAMES = (".env", "*.env", "*.toml", "*.json", "pki/**/*", "ca/**/*", "redis/*", "credentials/**/*", "requested/**/*")
_CONF = "redis/redis.conf"


def redis_folder(folder: Path) -> Path:
    """What Redis writes: its data, and beside it its users. Raises BackupRefused."""
    path = folder / _CONF
    try:
        found = re.search(r"^dir (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    except OSError as error:
        raise BackupRefused(
            f"{path} cannot be read ({error.strerror}): run this on the host of Redis, "
            "and name the folder of its settings with --folder"
        ) from None
    if not found:
        raise BackupRefused(f"{path} has no line `dir`: run `bringup redis-conf --force`")
    return Path(shlex.split(found[1])[0]).parent


def taken(folder: Path, redis: Path) -> tuple[dict[str, StoredFile], dict[str, str]]:
    """Every file of a backup, and the links of the folder to what Redis writes.

    Args:
        folder: of the settings.
        redis: what Redis writes.

    Raises:
        BackupRefused: Redis has no append-only file here.
        OSError: a file cannot be read.
    """
    files: dict[str, StoredFile] = {}
    links: dict[str, str] = {}
    for path in sorted({path for name in _NAMES for path in folder.glob(name)}):
        name = str(path.relative_to(folder))
        if path.is_symlink() and path.resolve().parent == redis.resolve():
            links[name] = path.resolve().name
        elif path.is_file():
            files[f"config/{name}"] = _stored(path)
    if not redis.is_relative_to(folder):
        files |= {f"redis/{path.name}": _stored(path) for path in redis.glob("*.acl")}
    copied = append_only.copied(redis / "data")
    files |= {f"redis/data/{append_only.FOLDER}/{name}": file for name, file in copied.items()}
    return files, links


def folders_of(files: Mapping[str, StoredFile], folder: Path, redis: Path) -> dict[str, StoredFolder]:
    """Every folder that holds one of the files, by its name in the backup.

    Args:
        files: by their names in the backup.
        folder: config/ of the backup.
        redis: redis/ of the backup.
    """
    names = {parent for name in files for parent in PurePosixPath(name).parents} - {PurePosixPath()}
    paths = {name: {"config": folder, "redis": redis}[name.parts[0]].joinpath(*name.parts[1:]) for name in names}
    return {
        str(name): StoredFolder(mode=path.stat().st_mode & 0o777, owner=owner_of(path)) for name, path in paths.items()
    }


def require_whole(settings: Settings, folder: Path) -> None:
    """Return when everything that settings name is in the folder. Raises SettingsError."""
    named = {
        "PKI_DIR": settings.pki_dir,
        "DEVICES_FILE": settings.devices_file,
        "OPERATORS_FILE": settings.operators_file,
        "BMC_CREDENTIALS_DIR": settings.bmc_credentials_dir,
    }
    outside = [
        f"{name}: {path} is not in {folder}, and would not be in the backup; move it there, or name another --folder"
        for name, path in named.items()
        if path.exists() and not path.resolve().is_relative_to(folder.resolve())
    ]
    if outside:
        raise SettingsError(outside)


def put(
    manifest: BackupManifest, files: Mapping[str, StoredFile], *, force: bool, now: datetime, log: Callable[[str], None]
) -> None:
    """Put every file in place. Each folder is made beside its place, and gets its name when it is whole.

    Args:
        manifest: names the places.
        files: all files, by their names in the backup.
        force: what is there is moved away; otherwise it is refused.
        now: the time, which is part of the name of what is moved away.
        log: is called with what was moved away.

    Raises:
        BackupRefused: something is there, or a Redis runs on it.
        OSError: they cannot be written; what was there is there still.
    """
    places = _places(manifest)
    for place in places.values():
        if not force and place.exists() and any(place.iterdir()):
            raise BackupRefused(
                f"{place} is not empty: stop Redis and the services, then use --force, which moves it away"
            )
    _refuse_running(manifest)
    fresh = {place: place.with_name(f".{place.name}.restore") for place in places.values()}
    try:
        for path in fresh.values():
            shutil.rmtree(path, ignore_errors=True)  # of a restore that was killed
        for name, file in files.items():
            _write(_inside(name, manifest, places, fresh), file)
        _link(manifest, fresh[manifest.folder])
        for name, folder in manifest.folders.items():
            _give(_inside(name, manifest, places, fresh), folder.mode, folder.owner)
        for place, path in fresh.items():
            _swap(path, place, now, log)
    finally:
        for path in fresh.values():
            shutil.rmtree(path, ignore_errors=True)


def _refuse_running(manifest: BackupManifest) -> None:
    """A Redis goes on writing to files that are moved away, and acknowledges leases that nobody reads again."""
    if running := redis_on(manifest.folder, manifest.redis / "data"):
        raise BackupRefused(
            f"a Redis runs on {manifest.redis} ({running}): stop the services and then Redis "
            "(`systemctl stop bringup.target` on a host with units), and run this again"
        )


def _places(manifest: BackupManifest) -> dict[str, Path]:
    """The folders that are put in place, Redis's data first: settings without data would start an empty site."""
    if manifest.redis.is_relative_to(manifest.folder):
        return {"config": manifest.folder}
    return {"redis": manifest.redis, "config": manifest.folder}


def _inside(name: str, manifest: BackupManifest, places: Mapping[str, Path], fresh: Mapping[Path, Path]) -> Path:
    """Where a file or folder of the backup is while it is made."""
    kind, *rest = PurePosixPath(name).parts
    if kind in places:
        return fresh[places[kind]].joinpath(*rest)
    return (fresh[manifest.folder] / manifest.redis.relative_to(manifest.folder)).joinpath(*rest)


def _write(path: Path, file: StoredFile) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as written:
        written.write(file.content)
        written.flush()
        os.fsync(descriptor)
    _give(path, file.mode, file.owner)


def _give(path: Path, mode: int, owner: str) -> None:
    """As it was; but to the user who runs this where its own is not known here, as on a host that is new."""
    path.chmod(mode)
    if owner and os.geteuid() == 0:
        with suppress(LookupError):
            shutil.chown(path, owner, owner)


def _link(manifest: BackupManifest, folder: Path) -> None:
    for name, target in manifest.links.items():
        (folder / name).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        (folder / name).symlink_to(manifest.redis / Path(target).name)


def _swap(fresh: Path, place: Path, now: datetime, log: Callable[[str], None]) -> None:
    """One rename each: after a kill between them both are there, and the command is run again."""
    if place.exists() and any(place.iterdir()):
        earlier = place.with_name(f"{place.name}.before-restore-{now:%Y%m%dT%H%M%SZ}")
        place.rename(earlier)
        log(f"What was there is in {earlier}.")
    place.parent.mkdir(parents=True, exist_ok=True)
    fresh.replace(place)
    # After a power cut a name that is not on the disk would be an empty site, although the command has said "restored".
    for folder in (
        *(path for path in place.rglob("*") if path.is_dir() and not path.is_symlink()),
        place,
        place.parent,
    ):
        sync_directory(folder)


def _stored(path: Path) -> StoredFile:
    return StoredFile(path.read_bytes(), path.stat().st_mode & 0o777, owner_of(path))
