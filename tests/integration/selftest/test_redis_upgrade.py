"""From one password for all roles to one for each, as docs/REDIS_SECURITY.md has it: nobody is refused meanwhile."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr
from redis import Redis
from redis.exceptions import AuthenticationError

from bringup import tls
from bringup.connections.redis_client import connect_redis
from bringup.redis_acl import ROLES, acl_file, user_line
from bringup_cli.demo.stack import Stack
from tests.in_process import QuickStack

SHARED = "the-password-that-all-roles-shared"
PAGE = Path(__file__).parents[3] / "docs/REDIS_SECURITY.md"


class Upgraded:
    """A running Redis of the version before, whose services log in with REDIS_PASSWORD."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.folder = stack.folder
        stack.command("redis-conf", role="")
        for role in ROLES:
            (self.folder / f"redis/{role}.env").write_text(f"REDIS_USERNAME={role}\nREDIS_PASSWORD={SHARED}\n")
        (self.folder / "redis/keeper.password").write_text("a-password-of-the-keeper\n")
        text = acl_file(dict.fromkeys(ROLES, SHARED) | {"keeper": "a-password-of-the-keeper"})
        (self.folder / "redis/users.acl").write_text(text)
        stack.run_redis()
        for role in ROLES:
            (self.folder / f"redis/{role}.env").unlink()

    def configure(self, *arguments: str) -> None:
        """`bringup redis-conf --force`, and what the page does so that the running Redis has it."""
        self.stack.command("redis-conf", "--force", *arguments, role="")
        (apply,) = re.findall(r"^\$ (apply\(\) \{.*?\})$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
        here = apply.replace("redis-cli", f"redis-cli -p {self.stack.settings.redis_port}")
        environ = {"PATH": os.environ["PATH"]}
        done = subprocess.run(
            ["/bin/sh", "-euc", f"{here}\napply"],
            cwd=self.folder,
            env=environ,
            capture_output=True,
            text=True,
            check=True,
        )
        assert set(done.stdout.split()) == {"OK"}, done.stdout + done.stderr
        assert self.login("keeper", "a-password-of-the-keeper").acl_save()

    def login(self, user: str, password: str) -> Redis:
        changes = {"redis_username": user, "redis_password": SecretStr(password)}
        return connect_redis(self.stack.settings.model_copy(update=changes), tls.ClientContexts(), name="tests")

    def old(self, role: str) -> Redis:
        """A service that was not switched yet."""
        return self.login(role, SHARED)

    def new(self, role: str) -> Redis:
        """One that reads ROLE.env."""
        return connect_redis(self.stack.settings_of(role), tls.ClientContexts(), name="new")


@pytest.fixture
def upgraded(tmp_path: Path) -> Iterator[Upgraded]:
    with QuickStack(tmp_path, {"REDIS_USE_TLS": "true", "REDIS_PASSWORD": SHARED}) as stack:
        yield Upgraded(stack)


def test_services_are_switched_one_by_one_and_none_is_refused_meanwhile(upgraded: Upgraded) -> None:
    open_since_before = {role: upgraded.old(role) for role in ROLES}
    assert all(redis.ping() for redis in open_since_before.values())
    upgraded.configure("--accept-shared-password")
    for role in ROLES:
        assert upgraded.old(role).ping()
        assert upgraded.new(role).ping()
    assert all(redis.ping() for redis in open_since_before.values())
    upgraded.configure()
    for role in ROLES:
        assert upgraded.new(role).ping()
        with pytest.raises(AuthenticationError):
            upgraded.old(role).ping()


def test_what_was_applied_is_what_redis_starts_with_again(upgraded: Upgraded) -> None:
    upgraded.configure()
    upgraded.stack.stop("redis")
    upgraded.stack.run_redis()
    assert all(upgraded.new(role).ping() for role in ROLES)


def test_a_host_keeps_its_password_and_gets_the_present_rights_of_its_role(upgraded: Upgraded) -> None:
    path = upgraded.folder / "redis/users.acl"
    path.write_text(path.read_text() + user_line("worker-w1", "worker", "of-w1").replace(" +rpush", "") + "\n")
    upgraded.configure()
    assert upgraded.login("worker-w1", "of-w1").rpush("rq:queue:x", "1") == 1
