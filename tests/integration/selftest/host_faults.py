"""The faults of one host: who can read its secrets, what they are, and which bringup it runs."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr

from selftest.case import Case
from selftest.checks import CATALOG, host
from tests.integration.selftest.faults import Inject, fault, here
from tests.integration.selftest.site import Changes, Site

# What can see a file's mode or a setting: the connections of the others say nothing about it.
CASES: list[Case] = [case for case in CATALOG if case.static or case.id in {"3a", "3b", "host.version"}]


def mode(name: str, bits: int) -> Inject:
    """A file of the installation has another mode."""

    @contextmanager
    def inject(site: Site) -> Iterator[Changes]:
        path = site.folder / name
        before = path.stat().st_mode
        path.chmod(bits)
        try:
            yield {}
        finally:
            path.chmod(before)

    return inject


@contextmanager
def open_credentials(site: Site) -> Iterator[Changes]:
    """Copied as files are copied."""
    folder = site.folder / "credentials"
    folder.mkdir()
    path = folder / "dc1"
    path.write_text("root\ncalvin\n")
    path.chmod(0o644)
    try:
        yield {"bmc_credentials_dir": folder}
    finally:
        path.unlink()
        folder.rmdir()


@contextmanager
def open_folder_of_redis(site: Site) -> Iterator[Changes]:
    """Redis writes users.acl as it does; the folder, which kept others out, is open."""
    with mode("redis", 0o755)(site), mode("redis/users.acl", 0o604)(site) as changes:
        yield changes


def tracked(name: str) -> Inject:
    """Somebody added it."""

    @contextmanager
    def inject(site: Site) -> Iterator[Changes]:
        git = ["git", "-C", str(site.folder)]
        subprocess.run([*git, "init", "--quiet"], check=True)
        try:
            subprocess.run([*git, "add", "--force", name], check=True)
            yield {}
        finally:
            _remove(site.folder / ".git")

    return inject


def _remove(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    folder.rmdir()


@contextmanager
def another_version(_site: Site) -> Iterator[Changes]:
    """The API was upgraded, and this host was not."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(host, "__version__", "0.0.9")
        yield {}


FILES, SECRETS, GIT = {"host.files"}, {"host.secrets"}, {"host.git"}
WITH_TLS = (
    fault("others can read .env", mode(".env", 0o644), FILES, "host.files", ".env (0644)", "chmod go-rwx .env"),
    fault("others can read users.acl", open_folder_of_redis, FILES, "host.files", "redis/users.acl (0604)"),
    fault("the group can read worker.env", mode("redis/worker.env", 0o640), FILES, "host.files", "worker.env (0640)"),
    fault("others can read credentials of BMCs", open_credentials, FILES, "host.files", "dc1 (0644)"),
    fault(
        "a short token",
        here(operator_token=SecretStr("kQ7pZx2mVb9rTn4wLs6c")),
        SECRETS,
        "host.secrets",
        "OPERATOR_TOKEN is shorter than 32 characters",
        "set OPERATOR_TOKEN in .env",
    ),
    fault(
        "a password of few characters",
        here(redis_sentinel_password=SecretStr("ab" * 10 + "c" * 20)),
        SECRETS,
        "host.secrets",
        "REDIS_SENTINEL_PASSWORD consists of a few characters",
    ),
    fault(
        "a token that repeats itself",
        here(operator_token=SecretStr("0123456789abcdef" * 3)),
        SECRETS,
        "host.secrets",
        "OPERATOR_TOKEN repeats itself",
    ),
    fault("git tracks .env", tracked(".env"), GIT, "host.git", "git tracks", ".env", "rm --cached"),
    fault("git tracks a key", tracked("pki/api/api-key.pem"), GIT, "host.git", "api-key.pem", "history"),
    fault(
        "the API is of another version",
        another_version,
        {"host.version"},
        "host.version",
        "this host runs bringup 0.0.9, the API",
        "upgrade that was not finished",
    ),
)
