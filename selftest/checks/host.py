"""Test 9: this host: who can read its secrets, whether they can be guessed, and whether its bringup is the API's."""

import os
import shlex
import shutil
import stat
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

from pydantic import SecretStr

from bringup import __version__, errors
from bringup.text import counted
from bringup.wire.message import Health
from pki.check import Finding, info, ok, skip
from selftest.case import AT_API, Case, amiss
from selftest.redis_host import FOLDER as REDIS_FOLDER
from selftest.target_installation import TargetInstallation

_GROUP = "9 Host"
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_WITH_KEYS = ("redis_tls_key", "api_tls_key", "api_client_key")
# What `bringup redis-conf` writes and is a secret: an ACL file holds the SHA-256 of each password.
_OF_REDIS = ("*.env", "*.acl", "*.conf", "*.password")
# Seconds for one folder: git reads its index alone, but on a busy host or a disk that spins up even that takes a while.
_GIT_S = 8.0
# `bringup init` makes secrets of 32 letters and digits: 190 bits. A random one of 32 hexadecimal digits has fewer than
# 8 different ones once in 10 million.
_LENGTH, _FEWEST_CHARACTERS = 32, 8
_NAMED = 6  # files in one message; the command of the hint has all of them


def _files(target: TargetInstallation) -> Finding:
    """No other user of this host can read a secret."""
    found = list(_secret_files(target))
    open_ones = [path for path in found if _mode(path) & _OTHERS and not _is_shut_in(path)]
    if not open_ones:
        return ok(f"{counted(len(found), 'file')} with secrets, readable by their owners alone")
    modes = ", ".join(f"{path} ({_mode(path):04o})" for path in open_ones[:_NAMED])
    more = f" and {len(open_ones) - _NAMED} more" if len(open_ones) > _NAMED else ""
    return amiss(
        target,
        f"other users of this host can read {modes}{more}",
        shlex.join(["chmod", "go-rwx", *map(str, open_ones)]),
        expected="mode 0600",
        cause="they were made or copied with the usual mode; a person who has read one can use what it opens",
    )


def _secret_files(target: TargetInstallation) -> Iterator[Path]:
    """The files here that hold a password or a token, each once."""
    paths = [*_env_files(target), *(path for name in _OF_REDIS for path in sorted(REDIS_FOLDER.glob(name)))]
    paths += sorted(target.settings.bmc_credentials_dir.glob("*"))
    yield from dict.fromkeys(path for path in paths if path.is_file())


def _keys(target: TargetInstallation) -> Iterator[Path]:
    """The private keys here; whether others can read them is asked by 6."""
    paths = [*map(target.settings.path_of, _WITH_KEYS), *sorted(target.settings.pki_dir.rglob("*-key.pem"))]
    yield from dict.fromkeys(path for path in paths if path.is_file())


def _env_files(target: TargetInstallation) -> list[Path]:
    named = {Path(origin) for origin in target.origins.values() if origin not in {"environment", "default"}}
    return sorted({*named, *target.env_files, Path(".env")})


def _is_shut_in(path: Path) -> bool:
    """Whether Redis itself writes the file anew, with mode 0644 (ACL SAVE): then its folder keeps others out."""
    return path.suffix in {".acl", ".conf"} and not _mode(path.absolute().parent) & _OTHERS


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def _secrets(target: TargetInstallation) -> Finding:
    """No password and no token of ours can be guessed. What they are is never part of a message."""
    given = {name: value.get_secret_value() for name, value in target.settings if isinstance(value, SecretStr)}
    # The passphrase of the CA key is typed by people, and opens a file that lies on one host.
    judged = {name: _weakness(value) for name, value in given.items() if name != "ca_key_passphrase"}
    weak = {name.upper(): why for name, why in judged.items() if why}
    if not weak:
        return ok(f"{len(judged)} passwords and tokens, each of {_LENGTH} characters or more")
    return amiss(
        target,
        "; ".join(f"{name} {why}" for name, why in weak.items()),
        "; ".join(f"set {name} in {_origin(target, name)}" for name in weak)
        + ", to what `openssl rand -hex 32` prints; then likewise wherever else it is set, and restart what uses it"
        + (" (of Redis: by `bringup redis-conf --force`)" if "REDIS_PASSWORD" in weak else ""),
        expected=f"{_LENGTH} random characters, as `bringup init` makes them",
    )


def _origin(target: TargetInstallation, name: str) -> str:
    return target.origins.get(name, ".env")


def _weakness(secret: str) -> str:
    """Why it can be guessed; empty if it cannot."""
    if len(secret) < _LENGTH:
        return f"is shorter than {_LENGTH} characters"
    if len(set(secret)) < _FEWEST_CHARACTERS:
        return "consists of a few characters only"
    return "repeats itself" if any(_repeats(secret, length) for length in range(1, len(secret) // 2 + 1)) else ""


def _repeats(text: str, length: int) -> bool:
    return text == (text[:length] * len(text))[: len(text)]


def _untracked(target: TargetInstallation) -> Finding:
    """No secret is under version control: who has the repository has it, for ever."""
    git = shutil.which("git")
    if git is None:
        return info("git is not installed here")
    names_in: dict[Path, list[str]] = {}
    for path in (*_secret_files(target), *_keys(target)):
        names_in.setdefault(path.absolute().parent, []).append(path.name)
    tracked = {folder: found for folder, names in names_in.items() if (found := _tracked(git, folder, names))}
    if not tracked:
        return ok("git tracks none of the files with secrets")
    names = [str(folder / name) for folder, found in tracked.items() for name in found]
    commands = [
        shlex.join(["git", "-C", str(folder), "rm", "--cached", "--quiet", *found]) for folder, found in tracked.items()
    ]
    return amiss(
        target,
        f"git tracks {', '.join(names[:_NAMED])}",
        " && ".join(commands),
        expected="no file with a secret in a repository",
        cause="it was added; it stays in the history: make these secrets anew, and list the files in .gitignore",
    )


def _tracked(git: str, folder: Path, names: Iterable[str]) -> list[str]:
    """Those of the files in a folder that git tracks."""
    # Neither a hook nor a monitor that the repository names may run: it may be anybody's.
    options = ("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null")
    done = subprocess.run(  # noqa: S603 - a fixed program, no shell
        [git, "-C", str(folder), *options, "ls-files", "-z", "--", *names],
        env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"},
        capture_output=True,
        text=True,
        timeout=_GIT_S,
        check=False,
    )
    return done.stdout.rstrip("\0").split("\0") if done.returncode == 0 and done.stdout else []


def _version(target: TargetInstallation) -> Finding:
    """The programs of this host and of the API are of one version."""
    try:
        there = target.api_client().get("/health", Health).version
    except errors.BringupError as error:
        return skip(f"the API was not asked: {error}", hint=target.api.see)
    if there == __version__:
        return ok(f"this host and the API run bringup {there}")
    return amiss(
        target,
        f"this host runs bringup {__version__}, the API {there}",
        f"install bringup {max(there, __version__, key=_numbers)} on the one that is older (docs/production.md)",
        expected="one version",
        cause="an upgrade that was not finished",
    )


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".") if part.isdecimal()]


# Test 9 proves that what opens the installation lies only where it must: no other user of this host reads a secret
# (host.files; of private keys 6 proves it), none can be guessed (host.secrets), none is in a repository (host.git); and
# that the programs of this host are of the API's version (host.version).
CHECKS = (
    Case("host.files", "Secrets are readable by their owners alone", _files, group=_GROUP, static=True),
    Case("host.secrets", "Passwords and tokens cannot be guessed", _secrets, group=_GROUP, static=True),
    Case("host.git", "No secret is in a git repository", _untracked, group=_GROUP, static=True),
    Case(
        "host.version",
        "This host runs the API's version",
        _version,
        group=_GROUP,
        needs=("3a", "3b"),
        roles=AT_API,
    ),
)
