"""Putting a bundle in its place on the host that it is for: whole or not at all, as often as one likes."""

import contextlib
import os
import pwd
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509

from bringup_cli.site import bundle
from bringup_cli.site.bundle import BundleRefused, Manifest
from bringup_cli.site.layout import CONFIG, HostLayout, begin_state, for_units, make_folders
from bringup_cli.site.own_redis import configuration_of
from bringup_cli.site.registry import HostRole, identities_of
from pki import authority
from pki.files import exclusive_lock, make_directory, read, staged_name, write_atomic, writing
from pki.journal import Journal, discard_staged, finish
from pki.names import Identity

STANDARD_FOLDER = CONFIG
STATE = ".join"  # in the folder: the journal of a join that was killed, and its lock
# By which the clocks of two hosts may differ: certificates are valid from five minutes before they were made.
_CLOCKS_DIFFER = timedelta(minutes=5)
# Users that services run as, where the host has them: the first that exists owns the files.
_SERVICE_USERS = ("bringup",)
_REDIS_USERS = ("redis", "valkey")
_REDIS_CONF = "redis/redis.conf"
# What a join writes outside of pki/, where services write files of their own.
_OUTSIDE_PKI = (bundle.MANIFEST, *map(bundle.env_file, HostRole), bundle.USERS, bundle.KEEPER, _REDIS_CONF)

_COMMANDS = {
    HostRole.API: "api",
    HostRole.IMAGES: "images",
    HostRole.WORKER: "work",
    HostRole.TAILER: "tail",
    HostRole.CONSOLE: "console",
}


@dataclass(frozen=True)
class Joined:
    """What a host is after it has joined."""

    folder: Path
    manifest: Manifest

    def env_file(self, role: HostRole) -> Path:
        """The settings of one of its services."""
        return self.folder / bundle.env_file(role)

    def start_command(self, role: HostRole) -> str:
        """What starts it, in a service unit or by hand."""
        if role is HostRole.REDIS:
            return f"redis-server {self.folder}/redis/redis.conf"
        return f"bringup --env-file {self.env_file(role)} {_COMMANDS[role]}"


def join(
    folder: Path,
    manifest: Manifest,
    files: Mapping[str, bytes],
    now: datetime,
    *,
    force: bool = False,
    layout: HostLayout | None = None,
) -> Joined:
    """Write a host's files: modes and owners as services need them, all at once, also after a kill.

    Args:
        folder: where the host has everything; made if it is not there.
        manifest: of the bundle.
        files: by name, as `unpack` returns them.
        now: the time that the bundle is judged at.
        force: replace what another host's bundle has put here.
        layout: with service units: the state of services is apart, and each has a user of its own. None: all is in
            ``folder``.

    Raises:
        BundleRefused: it is too old, of another host, or fits no key here; nothing was changed.
        PkiError: the folder cannot be written; nothing was changed.
    """
    if now < manifest.made_at - _CLOCKS_DIFFER:
        raise BundleRefused(
            f"it was made on {manifest.made_at:%Y-%m-%d %H:%M} UTC, and here it is {now:%Y-%m-%d %H:%M} UTC: is the "
            "clock of this host right? look at `timedatectl`"
        )
    if now > manifest.use_until:
        raise BundleRefused(
            f"it was to be used until {manifest.use_until:%Y-%m-%d %H:%M} UTC, and is refused now; make a new one on "
            f"the CA's host: bringup site enroll {manifest.host}"
        )
    _make_folders(folder, manifest.roles, layout)
    state = folder / STATE
    with exclusive_lock(state / "lock", "bringup site join"):
        recover(folder)
        _check_host(folder, manifest, force=force)
        journal = Journal(folder, state)
        for name, data in _placed(folder, manifest, files, layout).items():
            journal.put(folder / name, data, secret=bundle.is_secret(name))
        journal.commit()
        if (text := configuration_of(folder, manifest, layout)) is not None:
            journal = Journal(folder, state)
            journal.put(folder / _REDIS_CONF, text, secret=True)
            journal.commit()
        if not (path := join_id(folder)).exists():
            write_atomic(path, secrets.token_hex(16).encode())
        if layout:
            begin_state(layout, manifest, files)
    return Joined(folder, manifest)


def join_id(folder: Path) -> Path:
    """A file with what distinguishes this join from that of another computer with the same bundle."""
    return folder / STATE / "id"


def recover(folder: Path) -> None:
    """Finish what a killed command had decided, and discard what it had only begun. Its lock must be held.

    Raises:
        PkiError: the folder cannot be written.
    """
    state = folder / STATE
    finish(folder, state)
    discard_staged(state, [state, folder / "pki"])
    for name in _OUTSIDE_PKI:
        with writing(folder / name):
            staged_name(folder / name).unlink(missing_ok=True)


def _check_host(folder: Path, manifest: Manifest, *, force: bool) -> None:
    """Nobody could distinguish two hosts with one identity, and one of them could not be revoked alone."""
    path = folder / bundle.MANIFEST
    if not path.exists() or force:
        return
    try:
        present = Manifest.model_validate_json(read(path))
    except ValueError:
        raise BundleRefused(f"{path} cannot be read as that of a host; --force replaces what is there") from None
    if present.host != manifest.host:
        raise BundleRefused(
            f"{folder} is that of the host {present.host}, and the file is for {manifest.host}; --force replaces it"
        )
    if present.made_at > manifest.made_at:
        raise BundleRefused(
            f"it was made on {manifest.made_at:%Y-%m-%d %H:%M:%S}, and {folder} holds a newer one of "
            f"{present.made_at:%Y-%m-%d %H:%M:%S} UTC: its certificates may be revoked; --force takes it all the same"
        )


def _placed(
    folder: Path, manifest: Manifest, files: Mapping[str, bytes], layout: HostLayout | None
) -> dict[str, bytes]:
    """What is written, by its name: settings name the folder, and keys that were made here get their place."""
    placed = {
        name: data.replace(bundle.FOLDER.encode(), str(folder.absolute()).encode()) if name.endswith(".env") else data
        for name, data in files.items()
    }
    for identity in identities(manifest):
        names = bundle.files_of(identity)
        if str(names.key) not in files:
            placed[str(names.key)] = _own_key(folder, identity, files[str(names.certificate)])
    if layout:
        placed |= for_units(layout, manifest, placed)
        placed.pop(bundle.USERS, None)
    users = folder / bundle.USERS
    if users.exists():  # Redis itself keeps it: `bringup site enroll` has added users there since
        placed.pop(bundle.USERS, None)
    return {**placed, bundle.MANIFEST: manifest.model_dump_json(indent=1).encode()}


def _own_key(folder: Path, identity: Identity, certificate: bytes) -> bytes:
    """The key that `site request` has made here, or an earlier join has put in place."""
    for path in (requested_key(folder, identity), folder / bundle.files_of(identity).key):
        if path.exists() and authority.fits(authority.read_key(path), _certificate(certificate)):
            return read(path)
    raise BundleRefused(
        f"no key here fits the certificate of {identity.dns}: it was made for the request of another host, or an "
        "earlier one of this host; bringup site request, and enroll with the new file"
    )


def requested_key(folder: Path, identity: Identity) -> Path:
    """Where `site request` puts a key until its certificate is here."""
    return folder / "requested" / f"{identity.role}-key.pem"


def identities(manifest: Manifest) -> tuple[Identity, ...]:
    """The certificates that a host has."""
    return identities_of(manifest.host, manifest.roles)


def _certificate(data: bytes) -> x509.Certificate:
    return x509.load_pem_x509_certificate(data)


def _make_folders(folder: Path, roles: tuple[HostRole, ...], layout: HostLayout | None) -> None:
    """Each of its owner: what is written later belongs to the owner of its folder."""
    if not re.fullmatch(r"[\w./@+-]+", str(folder.absolute())):
        raise BundleRefused(f"{folder}: settings name this folder; let its name have letters, digits and ./@+- alone")
    service, redis = _owner(_SERVICE_USERS), _owner(_REDIS_USERS)
    for parent in reversed([folder, *folder.parents]):
        if not parent.exists():
            _make(parent, service, private=False)
    _make(folder / STATE, None, private=True)
    if layout:
        make_folders(layout, roles)
        return
    _make(folder / "var", service, private=True)
    for name in ("pki", "pki/ca", "pki/issued"):
        _make(folder / name, service, private=False)
    if HostRole.REDIS in roles:
        _make(folder / "pki/redis", redis, private=False)
        _make(folder / "redis", redis, private=True)
        _make(folder / "redis/data", redis, private=True)


def _make(path: Path, owner: tuple[int, int] | None, *, private: bool) -> None:
    fresh = not path.exists()
    make_directory(path, private=private)
    if fresh and owner:
        os.chown(path, *owner)


def _owner(names: tuple[str, ...]) -> tuple[int, int] | None:
    """The first of these users that this host has; None: what is written is ours, as it must be where we are not root.

    Without such a user services run as root, or a person gives the folder away (`chown -R`).
    """
    if os.geteuid() != 0:
        return None
    for name in names:
        with contextlib.suppress(KeyError):
            found = pwd.getpwnam(name)
            return found.pw_uid, found.pw_gid
    return None
