"""The passwords of the users of Redis and of its sentinels: those that are on this host are kept, others are made."""

from pathlib import Path

from dotenv import dotenv_values
from pydantic import SecretStr

from bringup import errors, redis_acl
from bringup.settings import Settings
from bringup.settings.generated import new_secret

_KEEPER_FILE = "keeper.password"


class Passwords:
    """The password of each user. Every Redis host of an installation needs the same ones.

    Args:
        settings: of this installation.
        folder: holds ROLE.env of each role and keeper.password, where they are there already.
        own: whether each role gets a password of its own, in ROLE.env; those that are there stay valid anyway.
        shared: whether each role, and without TLS the default user, takes REDIS_PASSWORD besides.

    Raises:
        SettingsError: a password that has to be set is not set.
    """

    def __init__(self, settings: Settings, folder: Path, *, own: bool, shared: bool) -> None:
        self._settings = settings
        self._roles = [*redis_acl.ROLES, *(redis_acl.REPLICATION_ROLES if settings.sentinels else ())]
        self._shared = _secret(settings, "redis_password", "to be shared") if shared else ""
        self._of_sentinels = (
            _secret(settings, "redis_sentinel_password", "with REDIS_SENTINELS") if settings.sentinels else ""
        )
        roles = [*self._roles, *(["peer"] if settings.sentinels else [])]
        present = {role: _password_in(folder / f"{role}.env") for role in roles}
        self._own = {role: password for role, password in present.items() if password}
        self._made = {role: new_secret() for role in roles if own and role not in self._own}
        keeper = present_text(folder / _KEEPER_FILE).strip()
        self._made_keeper = "" if keeper else new_secret()
        self._keeper = keeper or self._made_keeper

    def of(self, role: str) -> str:
        """What this role logs in with."""
        return self._own.get(role) or self._made.get(role) or self._shared

    @property
    def peer(self) -> str:
        """What sentinels ask each other with."""
        return self._own.get("peer") or self._made.get("peer") or self._of_sentinels

    def acl_file(self) -> str:
        """The text of users.acl."""
        passwords = {role: self.of(role) for role in self._roles} | {"keeper": self._keeper}
        default_user = bool(self._shared) and not self._settings.redis_use_tls
        return redis_acl.acl_file(passwords, shared=self._shared, default_user=default_user)

    def sentinel_acl_file(self) -> str:
        """The text of sentinel.acl."""
        return redis_acl.sentinel_acl_file({"default": self._of_sentinels, "peer": self.peer})

    def new_files(self) -> dict[str, str]:
        """Text by name of the files of the passwords that were made now."""
        files = {f"{role}.env": f"REDIS_USERNAME={role}\nREDIS_PASSWORD={made}\n" for role, made in self._made.items()}
        return files | ({_KEEPER_FILE: f"{self._made_keeper}\n"} if self._made_keeper else {})


def present_text(path: Path) -> str:
    """The present text of a file; empty if there is none. Raises SettingsError."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, ValueError) as error:
        raise errors.SettingsError(
            [f"{path} cannot be read: {error}; what others have written to it would be lost"]
        ) from None


def _secret(settings: Settings, name: str, why: str) -> str:
    secret: SecretStr | None = getattr(settings, name)
    if secret is None:
        raise errors.SettingsError([f"{name.upper()}: must be set {why}; `bringup init` makes one"])
    return secret.get_secret_value()


def _password_in(path: Path) -> str:
    """That of ROLE.env; empty: none, and one is made."""
    return dotenv_values(path, interpolate=False).get("REDIS_PASSWORD") or "" if path.exists() else ""
