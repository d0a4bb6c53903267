"""What the CA's host knows of each host of a site, kept beside the CA's ledger and written with it as one change."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from bringup.redis_acl import RIGHTS
from bringup.settings.generated import new_secret
from pki import errors, names
from pki.files import read
from pki.session import CaSession
from pki.store import Store

FILE = "site.json"
_T = TypeVar("_T")


class HostRole(StrEnum):
    """What runs on a host."""

    REDIS = "redis"
    API = "api"
    IMAGES = "images"
    WORKER = "worker"
    TAILER = "tailer"
    CONSOLE = "console"


def identities_of(host: str, roles: Iterable[HostRole]) -> tuple[names.Identity, ...]:
    """The certificates of a host: one for each role, of a console one for browsers too, and that of the host."""
    listed = tuple(roles)
    web = (names.Role.WEB,) if HostRole.CONSOLE in listed else ()
    return tuple(names.Identity(names.Role(role), host) for role in (*listed, *web, names.Role.HOST))


class Host(BaseModel):
    """One host of the site.

    Args:
        sans: names and addresses of its servers.
        passwords: of its Redis users, by role; kept, so that enrolling it again gives the same.
        use_until: when the last bundle that was made for it ends.
        last_seen: when it last had a connection to Redis, as far as `bringup site status` has looked.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    roles: tuple[HostRole, ...]
    sans: tuple[str, ...] = ()
    passwords: Mapping[HostRole, str] = {}
    enrolled_at: datetime
    use_until: datetime
    last_seen: datetime | None = None
    revoked_at: datetime | None = None

    @property
    def identities(self) -> tuple[names.Identity, ...]:
        """The certificates that it has."""
        return identities_of(self.name, self.roles)

    @property
    def redis_users(self) -> Mapping[str, HostRole]:
        """Its users in Redis, and the role of each."""
        return {redis_user(role, self.name): role for role in self.roles if role in RIGHTS}


class Registry(BaseModel):
    """All hosts. ``keeper`` is the password of Redis's user keeper, where `site enroll` has made it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    keeper: str = ""
    hosts: Mapping[str, Host] = {}

    @classmethod
    def read(cls, store: Store) -> "Registry":
        """The registry of a CA; an empty one where no host was enrolled yet. Raises Damaged."""
        path = registry_file(store)
        if not path.exists():
            return cls()
        try:
            return cls.model_validate_json(read(path))
        except ValidationError:
            raise errors.Damaged(
                f"{path} cannot be read as the list of hosts", hint="restore it from a backup"
            ) from None

    def put(self, session: CaSession) -> None:
        """Write it at the session's `commit`."""
        session.put(registry_file(session.store), self.model_dump_json(indent=1).encode(), secret=True)

    def with_host(self, host: Host) -> "Registry":
        """This registry with one host added or changed."""
        return self.model_copy(update={"hosts": {**self.hosts, host.name: host}})

    def enrolled(
        self, name: str, roles: Iterable[HostRole], sans: Iterable[str], *, now: datetime, use_until: datetime
    ) -> Host:
        """The host as it is once it was enrolled: roles and names are added, passwords are kept.

        Args:
            name: of the host.
            roles: what runs on it; none for a host that is known: its present ones.
            sans: names and addresses of its servers.
            now: the time that it is enrolled at.
            use_until: when its bundle ends.

        Raises:
            Refused: it has no role, it was revoked, or its name is that of a role.
        """
        names.Identity(names.Role.HOST, name)  # a name that is no name ends here
        if name in set(names.Role):
            raise errors.Refused(f"{name} is the name of a role, and its files are those of the CA's own {name}")
        present = self.hosts.get(name)
        if present and present.revoked_at:
            raise errors.Refused(
                f"{name} was revoked on {present.revoked_at:%Y-%m-%d}", hint=f"bringup site forget {name}, then again"
            )
        all_roles = _unique([*(present.roles if present else ()), *roles])
        if not all_roles:
            raise errors.Refused(f"{name} is not known yet, and no role is named", hint="give --role")
        kept = present.passwords if present else {}
        return Host(
            name=name,
            roles=tuple(all_roles),
            sans=tuple(_unique([*(present.sans if present else ()), *sans])),
            passwords={role: kept.get(role) or new_secret() for role in all_roles if role in RIGHTS},
            enrolled_at=present.enrolled_at if present else now,
            use_until=use_until,
            last_seen=present.last_seen if present else None,
        )


def registry_file(store: Store) -> Path:
    """Where the registry is: in the private folder of the CA."""
    return store.state / FILE


def redis_user(role: HostRole, host: str) -> str:
    """The name of a host's user in Redis."""
    return f"{role}-{host}"


def _unique(items: Iterable[_T]) -> list[_T]:
    return list(dict.fromkeys(items))
