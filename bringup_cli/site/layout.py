"""Where a host that `bringup site init` or `join` has set up keeps what, and which user owns it.

Settings and certificates are in /etc/bringup, state in /var/lib/bringup/ROLE. One user keeps the secrets of a host and
renews its certificates; each service has a user of its own, who owns the key that it uses and nothing else.
"""

import os
import pwd
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bringup.wire.machine import IMAGE_FILE
from bringup_cli.site import bundle
from bringup_cli.site.registry import HostRole
from pki.files import make_directory, write_atomic
from pki.names import Identity, Role

CONFIG, STATE = Path("/etc/bringup"), Path("/var/lib/bringup")
SITE_SETTINGS = "site.env"  # of the whole site, on the CA's host alone
KEEPER_OF_SECRETS = "bringup-certs"
# Roles that are clients by the certificate of the host itself, of whose key each gets a copy of its own: two users
# cannot both own one file, and a key that a group may read is one that production refuses.
WITH_KEY_OF_HOST = (HostRole.REDIS, HostRole.API, HostRole.IMAGES)

CLIENTS = "pki/clients"  # in the folder: copies of the host's own certificate and key, for its services
CRL_OF_API = "ca-crl.pem"  # in the API's state, for the API itself replaces it


def user_of(role: HostRole) -> str:
    """The user that a service runs as."""
    return f"bringup-{role.value}"


def users(roles: Iterable[HostRole]) -> list[str]:
    """Every user that a host needs."""
    return [KEEPER_OF_SECRETS, *map(user_of, roles)]


@dataclass(frozen=True)
class HostLayout:
    """The two folders of a host. A test names others; then nothing changes its owner.

    Args:
        config: settings, certificates and keys.
        state: what services write, a folder for each.
    """

    config: Path = CONFIG
    state: Path = STATE

    @property
    def site_settings(self) -> Path:
        """The settings of the whole site."""
        return self.config / SITE_SETTINGS

    @property
    def validation_image(self) -> Path:
        """What machines boot, where this host serves it; a person puts it there."""
        return self.config / IMAGE_FILE

    @property
    def pki(self) -> Path:
        """Certificates and keys of this host."""
        return self.config / "pki"

    @property
    def ca(self) -> Path:
        """The CA, on its host alone: its key, its ledger and all that it has issued."""
        return self.config / "ca"

    @property
    def users_file(self) -> Path:
        """The ACL file that Redis reads, and writes anew."""
        return self.state / "redis/users.acl"

    def state_of(self, role: HostRole) -> Path:
        """What a service writes."""
        return self.state / role.value

    def key_copies(self, roles: Iterable[HostRole]) -> list[HostRole]:
        """The roles that have a copy of the host's key."""
        return [role for role in roles if role in WITH_KEY_OF_HOST]

    def owners(self, host: str, roles: tuple[HostRole, ...]) -> Iterator[tuple[Path, str]]:
        """Which user owns which file or folder; everything else belongs to root.

        Args:
            host: its name.
            roles: what runs there.
        """
        for name in (bundle.MANIFEST, ".join", ".renew", "requested", "pki", "ca", *map(bundle.env_file, roles)):
            yield from ((path, KEEPER_OF_SECRETS) for path in _below(self.config / name))
        yield self.config / bundle.KEEPER, KEEPER_OF_SECRETS
        for role in roles:
            key = bundle.files_of(Identity(Role(role), host)).key
            yield self.config / key, user_of(role)
            if role in WITH_KEY_OF_HOST:
                yield self.config / CLIENTS / f"{role}-key.pem", user_of(role)
            yield from ((path, user_of(role)) for path in _below(self.state_of(role)))
        if HostRole.CONSOLE in roles:
            web = bundle.files_of(Identity(Role.WEB, host)).key
            yield self.config / web, user_of(HostRole.CONSOLE)
        if HostRole.API in roles:
            yield self.config / "operators.toml", user_of(HostRole.API)
        if HostRole.REDIS in roles:
            yield self.config / "redis/redis.conf", user_of(HostRole.REDIS)
        if HostRole.WORKER in roles:
            yield from ((path, user_of(HostRole.WORKER)) for path in _below(self.config / "credentials"))


def _below(path: Path) -> Iterator[Path]:
    """The path and everything below it; nothing where it is not."""
    if path.is_symlink() or not path.exists():
        return
    yield path
    if path.is_dir():
        yield from path.rglob("*")


def give(owners: Iterable[tuple[Path, str]]) -> None:
    """Let each file belong to its user; where two name one file the later one wins. Only root can do that."""
    if os.geteuid() != 0:
        return
    for path, user in dict(owners).items():
        if path.exists() and not path.is_symlink():
            found = pwd.getpwnam(user)
            if path.stat().st_uid != found.pw_uid:
                os.chown(path, found.pw_uid, found.pw_gid, follow_symlinks=False)


def make_folders(layout: HostLayout, roles: tuple[HostRole, ...]) -> None:
    """The folders of a host with service units; `give` lets each belong to its user. Raises PkiError."""
    for name in (".renew", "credentials"):
        make_directory(layout.config / name, private=True)
    make_directory(layout.state.parent, private=False)
    make_directory(layout.state, private=False)
    for role in roles:
        make_directory(layout.state_of(role), private=True)
    if HostRole.REDIS in roles:
        make_directory(layout.config / "redis", private=False)
        make_directory(layout.state_of(HostRole.REDIS) / "data", private=True)


def for_units(layout: HostLayout, manifest: bundle.Manifest, placed: Mapping[str, bytes]) -> dict[str, bytes]:
    """Settings that name the folder of a service's state; a copy of the host's key for each that uses it.

    Args:
        layout: the folders of the host.
        manifest: of its bundle.
        placed: what is written without units, by its name.
    """
    own = bundle.files_of(Identity(Role.HOST, manifest.host))
    found: dict[str, bytes] = {}
    for role in manifest.roles:
        name = bundle.env_file(role)
        text = placed[name].decode().replace(f"STATE_DIR={layout.config}/var\n", f"STATE_DIR={layout.state_of(role)}\n")
        if role is HostRole.API:
            text += f"API_TLS_CRL={layout.state_of(role) / CRL_OF_API}\n"
        if role in layout.key_copies(manifest.roles):
            for path, kind in ((own.certificate, "cert"), (own.key, "key")):
                copy = f"{CLIENTS}/{role}-{kind}.pem"
                found[copy] = placed[str(path)]
                text = text.replace(f"={layout.config}/{path}\n", f"={layout.config}/{copy}\n")
        found[name] = text.encode()
    return found


def begin_state(layout: HostLayout, manifest: bundle.Manifest, files: Mapping[str, bytes]) -> None:
    """What services go on writing themselves, where it is not there yet; and every file gets its owner.

    Args:
        layout: the folders of the host.
        manifest: of its bundle.
        files: of the bundle, by name.
    """
    begun = {layout.users_file: files.get(bundle.USERS)}
    if HostRole.API in manifest.roles:
        begun[layout.state_of(HostRole.API) / CRL_OF_API] = files[bundle.CRL]
    for path, data in begun.items():
        if data is not None and not path.exists():
            write_atomic(path, data)
    link = layout.config / bundle.USERS  # where people and the self-test look for it
    if HostRole.REDIS in manifest.roles and not link.is_symlink():
        link.symlink_to(layout.users_file)
    give(layout.owners(manifest.host, manifest.roles))
