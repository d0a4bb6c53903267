"""Where things are on a host that has joined: relative to its folder, as in its bundle."""

from pathlib import Path

from bringup_cli.site.registry import HostRole
from pki.names import STANDARD_ROLES, Identity, Role
from pki.store import Files, Store

MANIFEST = "manifest.json"
CA = "pki/ca/ca-cert.pem"
CRL = "pki/ca/ca-crl.pem"
USERS = "redis/users.acl"
KEEPER = "redis/keeper.password"
# In the settings of a bundle: the folder that the host has joined into.
FOLDER = "@FOLDER@"


def env_file(role: HostRole) -> str:
    """The settings of the service of a role."""
    return f"{role}.env"


def files_of(identity: Identity) -> Files:
    """Certificate, key and chain of one of the host's identities.

    A host has one worker, one API and one Redis at most: their files are where those of a single host are, so that
    settings and configurations name the same paths everywhere.
    """
    standard = identity.role in STANDARD_ROLES
    return Store(Path("pki")).files(Identity(identity.role, identity.role.value) if standard else identity)


def expected(host: str, roles: tuple[HostRole, ...]) -> frozenset[str]:
    """Every name that a bundle for this host may contain."""
    identities = [Identity(Role(role), host) for role in (*roles, Role.HOST)]
    pem = {str(path) for one in identities for path in _all(files_of(one))}
    redis = {USERS, KEEPER} if HostRole.REDIS in roles else set()
    return frozenset({MANIFEST, CA, CRL, *map(env_file, roles), *pem, *redis})


def is_secret(name: str) -> bool:
    """Whether its owner alone may read it."""
    return not name.endswith(("-cert.pem", "-bundle.pem", "-crl.pem"))


def _all(files: Files) -> tuple[object, ...]:
    return files.certificate, files.key, files.bundle
