"""The bundle of a release, as an upgrade takes it: unpacked, whole, signed, and for a host such as this one."""

import hashlib
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from pydantic import BaseModel, ConfigDict, ValidationError

from bringup.errors import BringupError
from bringup_cli.site.host_system import run

_SUMS, _SIGNATURE = "SHA256SUMS", "SHA256SUMS.sig"
_RELEASE = "release.json"
# As Debian names them. Source: dpkg-architecture(1)
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
# The names under which docs/packages.md has releases signed and signers listed.
_NAMESPACE, _SIGNER = "bringup-release", "release"


class UpgradeRefused(BringupError):
    """An upgrade or a rollback that must not begin; nothing was changed."""


class _Release(BaseModel):
    """What a bundle is, as scripts/release writes it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    version: str
    system: str
    architecture: str


@dataclass(frozen=True)
class ReleaseBundle:
    """A bundle that was verified.

    Args:
        folder: where it is unpacked.
        version: of bringup in it.
        digest: SHA-256 of its file of checksums: by it another host knows that it has the same one.
    """

    folder: Path
    version: str
    digest: str


def unpack(source: Path | IO[bytes], folder: Path) -> None:
    """Put a bundle into a folder, whole or not at all; what was there is replaced.

    Args:
        source: the .tar of a release, the folder that it was unpacked to, or a stream of the .tar.
        folder: whose parent is there.

    Raises:
        UpgradeRefused: it is no bundle.
    """
    fresh = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        _copy(source, fresh)
        if not (fresh / _SUMS).is_file():
            raise UpgradeRefused(
                f"{source}: there is no {_SUMS} in it: name the bundle of a release (docs/packages.md)"
            )
        shutil.rmtree(folder, ignore_errors=True)
        fresh.replace(folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _copy(source: Path | IO[bytes], folder: Path) -> None:
    if isinstance(source, Path) and source.is_dir():
        shutil.copytree(source, folder, symlinks=True)
    else:
        folder.mkdir(mode=0o700)
        _untar(source, folder)


def _untar(source: Path | IO[bytes], into: Path) -> None:
    """By GNU tar, which follows no link and no ``..`` of an archive out of the folder."""
    words = ["tar", "-x", "--no-same-owner", "--strip-components=1", "-C", str(into)]
    with source.open("rb") if isinstance(source, Path) else source as archive:
        done = subprocess.run(words, stdin=archive, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise UpgradeRefused(f"{source} is no .tar of a release: {done.stderr.strip()}")


def verified(folder: Path, signers: Path | None = None, *, digest: str | None = None) -> ReleaseBundle:
    """The bundle in a folder.

    Args:
        folder: where it is unpacked.
        signers: who may have signed it, for ssh-keygen; None: the signature is not looked at.
        digest: of its file of checksums, where another host has verified it.

    Raises:
        UpgradeRefused: it is damaged, not signed by them, or not for a host such as this one.
    """
    if signers is not None:
        _require_signed(folder, signers)
    sums = _read(folder / _SUMS)
    found = hashlib.sha256(sums).hexdigest()
    if digest is not None and found != digest:
        raise UpgradeRefused(f"{folder}: this is another bundle than the one that was verified: copy it again")
    _require_whole(folder, sums.decode(errors="replace"))
    release = _release(folder)
    _require_system(release)
    return ReleaseBundle(folder, release.version, found)


def _require_signed(folder: Path, signers: Path) -> None:
    words = ["ssh-keygen", "-Y", "verify", "-q", "-f", str(signers), "-I", _SIGNER, "-n", _NAMESPACE]
    try:
        with (folder / _SUMS).open("rb") as sums:
            done = subprocess.run(  # noqa: S603 - a fixed program, no shell
                [*words, "-s", str(folder / _SIGNATURE)], stdin=sums, capture_output=True, text=True, check=False
            )
    except FileNotFoundError as error:
        raise UpgradeRefused(f"--signers: {error.filename} is not there: the signature cannot be verified") from None
    if done.returncode:
        raise UpgradeRefused(f"{folder / _SUMS} is not signed by a key of {signers}: do not install this bundle")


def _require_whole(folder: Path, sums: str) -> None:
    """Each file is named with its checksum, and no other one is there: it would be installed without any."""
    named = {name: digest for line in sums.splitlines() for digest, _, name in [line.partition("  ")]}
    found = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_symlink() or path.is_file()}
    for name in (_SUMS, _SIGNATURE):
        found.pop(name, None)
    wrong = sorted({*named} ^ {*found})
    wrong += [name for name, path in found.items() if not wrong and (path.is_symlink() or named[name] != _digest(path))]
    if wrong:
        raise UpgradeRefused(
            f"{folder}: {wrong[0]} is damaged, missing, or not named in {_SUMS}: copy the bundle again"
        )


def _release(folder: Path) -> _Release:
    try:
        return _Release.model_validate_json(_read(folder / _RELEASE))
    except ValidationError:
        raise UpgradeRefused(f"{folder / _RELEASE} cannot be read: the bundle is of an older version") from None


def _require_system(release: _Release) -> None:
    words = dict(line.split("=", 1) for line in _os_release().splitlines() if "=" in line)
    here = " ".join(words.get(name, "").strip('"') for name in ("ID", "VERSION_ID"))
    architecture = _ARCHITECTURES.get(os.uname().machine, os.uname().machine)
    if (here, architecture) != (release.system, release.architecture):
        raise UpgradeRefused(
            f"the bundle is for {release.system} on {release.architecture}; this host has {here} on {architecture}"
        )


def _os_release() -> str:
    """Source: os-release(5)."""
    return Path("/etc/os-release").read_text(encoding="utf-8")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UpgradeRefused(f"{path} cannot be read ({error.strerror}): name the bundle of a release") from None


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def install(bundle: Path) -> None:
    """Install the version of a verified bundle beside what is there; services go on. Raises HostCommandFailed."""
    run(str(bundle / "install"), "--only", "bringup")
