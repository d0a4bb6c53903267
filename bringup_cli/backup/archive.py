"""The file of `bringup backup`: a gzipped tar, encrypted with a passphrase in the format of age, which `age -d` opens.

Source: https://age-encryption.org/v1 (scrypt recipient)
"""

import gzip
import hashlib
import io
import os
import tarfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Literal

from pydantic import BaseModel, ConfigDict

from bringup.errors import BringupError
from bringup_cli.sealed_file import seal, unseal

_MANIFEST = "manifest.json"
# gzip: Redis's append-only file shrinks to a tenth at any level, and this one is four times as fast as the default.
_LEVEL = 1
_TOO_LARGE = "unpacked it does not fit into the memory of this host: restore it on one that has more"


class BackupRefused(BringupError):
    """A backup that cannot be made, or must not be restored: damaged, of another passphrase, over what is there."""


@dataclass(frozen=True)
class StoredFile:
    """A file as it was found.

    Args:
        content: all of it.
        mode: its permissions.
        owner: the name of its user; "": one without a name.
    """

    content: bytes
    mode: int = 0o600
    owner: str = ""


def owner_of(path: Path) -> str:
    """The name of a file's user; "": it has none here."""
    try:
        return path.owner()
    except KeyError:
        return ""


class StoredFolder(BaseModel):
    """A folder as it was found: its permissions, and the name of its user."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mode: int
    owner: str


class BackupManifest(BaseModel):
    """What a backup is. ``files`` has the SHA-256 of each."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    version: str  # of bringup
    host: str
    made_at: datetime
    folder: Path  # of settings and certificates: the files below config/
    redis: Path  # what Redis writes: the files below redis/
    db: int  # REDIS_DB
    folders: Mapping[str, StoredFolder] = {}
    links: Mapping[str, str] = {}  # in the folder, to files below redis/
    files: Mapping[str, str] = {}


def sealed(manifest: BackupManifest, files: Mapping[str, StoredFile], passphrase: str) -> bytes:
    """The whole file of a backup.

    Args:
        manifest: without the hashes, which are added.
        files: by their names below config/ and redis/.
        passphrase: opens it again.
    """
    digests = {name: _digest(file.content) for name, file in files.items()}
    head = manifest.model_copy(update={"files": digests}).model_dump_json(indent=1).encode()
    buffer = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=buffer, mode="wb", compresslevel=_LEVEL, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for name, file in {_MANIFEST: StoredFile(head), **files}.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode, member.uname = len(file.content), file.mode, file.owner
            member.mtime = int(manifest.made_at.timestamp())
            tar.addfile(member, io.BytesIO(file.content))
    return seal(buffer.getvalue(), passphrase)


def opened(data: bytes, passphrase: str) -> tuple[BackupManifest, dict[str, StoredFile]]:
    """What `sealed` was given. Nothing is written.

    Raises:
        BackupRefused: the passphrase is wrong, the file is damaged, or it is no backup.
    """
    try:
        files = _members(unseal(data, passphrase, refusal=BackupRefused, instead="take another one"))
        manifest = BackupManifest.model_validate_json(files.pop(_MANIFEST).content)
    # A ValidationError is a ValueError; of hostile headers tarfile raises RecursionError as well.
    except (tarfile.TarError, zlib.error, KeyError, ValueError, EOFError, OSError, RecursionError):
        raise BackupRefused("this is no file of `bringup backup`, or one of a newer version") from None
    if manifest.files != {name: _digest(file.content) for name, file in files.items()}:
        raise BackupRefused("its contents are not those that its manifest names: it was altered")
    _refuse_outside([*manifest.folders, *(f"config/{name}" for name in manifest.links)])
    return manifest, files


def _refuse_outside(names: Iterable[str]) -> None:
    for name in names:
        if not _is_inside(name):
            raise BackupRefused(f"its manifest names {name!r}, which is outside of its two folders")


def _members(data: bytes) -> dict[str, StoredFile]:
    """Plain files below config/ and redis/ alone: a link or ``..`` could lead a writer out of its folder."""
    found: dict[str, StoredFile] = {}
    with tarfile.open(fileobj=io.BytesIO(_unpacked(data)), mode="r:") as tar:
        for member in tar:
            file = tar.extractfile(member) if member.isreg() else None
            if file is None or member.name in found or not _is_below(member.name):
                raise BackupRefused(f"it holds {member.name!r}, which is no plain file, or is there twice")
            found[member.name] = StoredFile(file.read(), member.mode & 0o777, member.uname)
    return found


def _unpacked(data: bytes) -> bytes:
    """What was packed: it is in memory twice while it is read, so more than half of ours can be none of a backup."""
    most = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)  # of gzip
    try:
        content = unpacker.decompress(data, most)
    except MemoryError:
        raise BackupRefused(_TOO_LARGE) from None
    if unpacker.unconsumed_tail:
        raise BackupRefused(_TOO_LARGE)
    if not unpacker.eof:
        raise EOFError
    return content


def _is_below(name: str) -> bool:
    return name == _MANIFEST or (len(PurePosixPath(name).parts) > 1 and _is_inside(name))


def _is_inside(name: str) -> bool:
    """One of the two folders, or below it."""
    parts = PurePosixPath(name).parts
    return bool(parts) and parts[0] in {"config", "redis"} and ".." not in parts and "\0" not in name


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
