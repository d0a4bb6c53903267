"""How strong passwords and tokens are, and where secrets are kept: never what they are, nor how long exactly."""

import os
import shlex
import stat
from collections.abc import Iterator
from pathlib import Path

from pydantic import SecretStr

from bringup.settings.schema import variables
from selftest.report.markup import table
from selftest.target_installation import TargetInstallation

# 32 letters and digits, as `bringup init` makes them, are 190 bits; hexadecimal ones are 128. Sixteen is what
# production refuses less than (`bringup.settings.rules`). Ten different characters: 32 random hexadecimal digits have
# fewer in one of ten thousand cases, and a short word that is repeated has no more.
_STRONG, _FAIR = (32, 10), (16, 8)
WEAK = "WEAK: fewer than 16 characters, or of a few repeated"
_OTHERS = 0o077  # any right of the group and of everybody
# Where `bringup redis-conf` writes what holds passwords, or their hashes.
_REDIS_FILES = ("*.env", "*.acl", "*.password", "*.conf")
_REDIS_FOLDER = Path("redis")


def section(target: TargetInstallation) -> list[str]:
    """The section of the report."""
    return [
        "",
        "## Passwords, tokens and keys",
        "",
        "No value is printed, and no length. Strong: 32 characters or more, of 10 different ones or more.",
        *table(("secret", "strength", "from"), ((name, how, where) for name, how, where in strengths(target))),
        *table(("file with a secret", "mode", "open to others"), files(target)),
    ]


def strengths(target: TargetInstallation) -> Iterator[tuple[str, str, str]]:
    """Each secret that is set: its name, its strength, and where its value came from."""
    for name in variables():
        secret = getattr(target.settings, name.lower())
        if isinstance(secret, SecretStr) and secret.get_secret_value():
            yield name, strength(secret.get_secret_value()), target.origins.get(name, "unknown")


def strength(secret: str) -> str:
    """How strong a secret is, in words."""
    size = (len(secret), len(set(secret)))
    for (length, different), words in ((_STRONG, "strong"), (_FAIR, "fair: 32 characters are better")):
        if size[0] >= length and size[1] >= different:
            return words
    return WEAK


def files(target: TargetInstallation) -> Iterator[tuple[str, str, str]]:
    """Each file on this host that holds a secret: its path, its mode, and whether others can use it."""
    for path in sorted(_paths(target)):
        try:
            mode = stat.S_IMODE(path.stat().st_mode)
        except OSError as error:
            yield str(path), "", f"cannot be looked at: {error.strerror}"
        else:
            answer = f"YES: chmod go= {shlex.quote(str(path))}" if mode & _OTHERS else "no"
            yield str(path), f"{mode:04o}", answer


def _paths(target: TargetInstallation) -> set[Path]:
    settings, store = target.settings, target.store
    secret = {name for name, _, _ in strengths(target)}
    of_settings = {Path(origin) for name, origin in target.origins.items() if name in secret}
    keys = {store.ca_key, *(store.files(one).key for one in store.identities())}
    keys |= {settings.path_of(name) for name in ("redis_tls_key", "api_tls_key", "api_client_key")}
    redis = {path for pattern in _REDIS_FILES for path in _REDIS_FOLDER.glob(pattern)}
    bmcs = set(settings.bmc_credentials_dir.glob("*"))
    return {_from_here(path) for path in of_settings | keys | redis | bmcs if os.path.lexists(path)}


def _from_here(path: Path) -> Path:
    """Each file once, however it was named: relative where it is below this folder."""
    whole, here = path.absolute(), Path.cwd()
    return whole.relative_to(here) if whole.is_relative_to(here) else whole
