"""The file for one host, and where its contents are on the host: relative to the folder that it has joined into.

It is a tar, encrypted with a passphrase in the format of age, which `age -d` opens.

Source: https://age-encryption.org/v1 (scrypt recipient)
"""

import hashlib
import io
import tarfile
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from bringup.errors import BringupError
from bringup_cli import sealed_file
from bringup_cli.site.registry import HostRole, identities_of
from pki import errors, names
from pki.store import Files, Store

MANIFEST = "manifest.json"
CA = "pki/ca/ca-cert.pem"
CRL = "pki/ca/ca-crl.pem"
USERS = "redis/users.acl"
KEEPER = "redis/keeper.password"
# In the settings of a bundle: the folder that the host has joined into.
FOLDER = "@FOLDER@"
SUFFIX = ".site.age"
# Bytes. A bundle of every role is below 40 KiB; a file that is none must not fill the memory.
LARGEST = 1 << 20


def env_file(role: HostRole) -> str:
    """The settings of the service of a role."""
    return f"{role}.env"


def files_of(identity: names.Identity) -> Files:
    """Certificate, key and chain of one of the host's identities.

    A host has one worker, one API and one Redis at most: their files are where those of a single host are, so that
    settings and configurations name the same paths everywhere.
    """
    standard = identity.role in names.STANDARD_ROLES
    return Store(Path("pki")).files(names.Identity(identity.role, identity.role.value) if standard else identity)


def expected(host: str, roles: tuple[HostRole, ...]) -> frozenset[str]:
    """Every name that a bundle for this host may contain."""
    pem = {str(path) for one in identities_of(host, roles) for path in _all(files_of(one))}
    redis = {USERS, KEEPER} if HostRole.REDIS in roles else set()
    return frozenset({MANIFEST, CA, CRL, *map(env_file, roles), *pem, *redis})


def is_secret(name: str) -> bool:
    """Whether its owner alone may read it."""
    return not name.endswith(("-cert.pem", "-bundle.pem", "-crl.pem"))


def _all(files: Files) -> tuple[object, ...]:
    return files.certificate, files.key, files.bundle


class BundleRefused(BringupError):
    """A file that must not be joined with: damaged, of another passphrase, too old, or for another host."""


class Manifest(BaseModel):
    """What a bundle is. ``files`` has the SHA-256 of each."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    host: str
    roles: tuple[HostRole, ...]
    made_at: datetime
    use_until: datetime
    files: Mapping[str, str] = {}


def pack(manifest: Manifest, files: Mapping[str, bytes]) -> bytes:
    """The tar of a host's files, by their names on the host."""
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    head = manifest.model_copy(update={"files": digests}).model_dump_json(indent=1).encode()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, data in {MANIFEST: head, **files}.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(data), 0o600 if is_secret(name) else 0o644
            member.mtime = int(manifest.made_at.timestamp())
            tar.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def unpack(data: bytes) -> tuple[Manifest, dict[str, bytes]]:
    """What `pack` has made: nothing is written, and no name is used that such a bundle cannot have.

    Raises:
        BundleRefused: it is no bundle, or was altered.
    """
    try:
        files = _members(data)
        manifest = Manifest.model_validate_json(files.pop(MANIFEST))
        allowed = expected(names.Identity(names.Role.HOST, manifest.host).name, manifest.roles)
    # Of hostile headers tarfile raises ValueError (a ValidationError is one, too) and RecursionError as well.
    except (tarfile.TarError, KeyError, ValueError, EOFError, RecursionError):
        raise BundleRefused("this is no file of `bringup site enroll`, or one of another version") from None
    except errors.PkiError as error:
        raise BundleRefused(f"its host has no usable name: {error}") from None
    if unknown := files.keys() - allowed:
        raise BundleRefused(f"it holds {min(unknown)!r}, which a host of {', '.join(manifest.roles)} does not get")
    if manifest.files != {name: hashlib.sha256(one).hexdigest() for name, one in files.items()}:
        raise BundleRefused("its contents are not those that its manifest names: it was altered")
    return manifest, files


def unseal(data: bytes, passphrase: str) -> bytes:
    """What `sealed_file.seal` was given.

    Raises:
        BundleRefused: the passphrase is wrong, or the file is damaged.
    """
    if len(data) > LARGEST:
        raise BundleRefused(f"it is larger than {LARGEST >> 20} MiB: no file of `bringup site enroll` is")
    instead = "make a new one by `bringup site enroll`"
    return sealed_file.unseal(data, passphrase, refusal=BundleRefused, instead=instead)


def _members(data: bytes) -> dict[str, bytes]:
    """Plain files alone: a link or a device could lead a writer out of its folder."""
    found: dict[str, bytes] = {}
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as tar:
        for member in tar:
            plain = member.isreg() and not member.issparse() and member.size <= LARGEST
            file = tar.extractfile(member) if plain else None
            if file is None or member.name in found:
                raise BundleRefused(f"it holds {member.name!r}, which is no plain file, or is there twice")
            found[member.name] = file.read()
    return found
