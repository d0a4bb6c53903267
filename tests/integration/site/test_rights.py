"""An upgrade gives the users of hosts the rights that the new version needs, before one of its services starts."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr
from redis.exceptions import NoPermissionError

from bringup import errors, tls
from bringup.connections.redis_client import connect_redis
from bringup.redis_acl import acl_file, keeper_line, user_line
from bringup_cli.site.redis_users import Keeper, require_everywhere
from bringup_cli.site.registry import Host, HostRole, Registry
from tests.conftest import MakeSettings, RedisServer

KEEPER = "the-password-of-keeper-0123456789"
OWN = "the-password-of-the-api-on-h1-0123"
NOW = datetime(2026, 5, 4, tzinfo=UTC)
HOST = Host(
    name="h1",
    roles=(HostRole.API, HostRole.TAILER),
    passwords={HostRole.API: OWN, HostRole.TAILER: "not-in-Redis-01234567"},
    enrolled_at=NOW,
    use_until=NOW,
)
REGISTRY = Registry(hosts={"h1": HOST}, keeper=KEEPER)
PRESENT = user_line("api-h1", "api", OWN)


class Users:
    """A Redis with an ACL file, and its user keeper."""

    def __init__(self, folder: Path, make_settings: MakeSettings) -> None:
        self.file = folder / "users.acl"
        self.server = RedisServer(folder)
        self.settings = make_settings(redis_port=self.server.port, pki_dir=folder / "pki")
        self.address = ("127.0.0.1", self.server.port)
        self.keeper = Keeper(self.settings, KEEPER)

    def start(self, *lines: str) -> None:
        self.file.write_text(acl_file({}) + "\n".join([keeper_line(KEEPER), *lines]) + "\n")
        self.server.start("--aclfile", str(self.file))

    def add_rights(self) -> None:
        self.keeper.add_rights(self.address, REGISTRY)

    def lines(self) -> dict[str, str]:
        return {line.split()[1]: line for line in self.file.read_text().splitlines()}

    def mget(self) -> object:
        """What a service of today asks for, as the API's user on this host."""
        login = {"redis_username": "api-h1", "redis_password": SecretStr(OWN)}
        settings = self.settings.model_copy(update=login)
        redis = connect_redis(settings, tls.ClientContexts(), name="test")
        try:
            return redis.mget("bringup:a", "bringup:b")
        finally:
            redis.close()


@pytest.fixture
def users(tmp_path: Path, make_settings: MakeSettings) -> Iterator[Users]:
    found = Users(tmp_path, make_settings)
    yield found
    found.server.kill()


def test_a_user_gets_the_right_that_it_lacks_at_once_and_over_a_restart(users: Users) -> None:
    users.start(PRESENT.replace(" +mget", "").replace(" ~rq:*", ""))
    with pytest.raises(NoPermissionError):
        users.mget()
    users.add_rights()
    assert users.mget() == [None, None]
    users.server.kill()
    users.server.start("--aclfile", str(users.file))
    assert users.mget() == [None, None]
    assert "~rq:*" in users.lines()["api-h1"].split()


def test_what_a_person_has_added_stays_and_a_user_that_is_off_stays_off(users: Users) -> None:
    users.start(PRESENT.replace(" on ", " off ").replace(" +mget", " +ttl") + " ~other:*")
    users.add_rights()
    words = users.lines()["api-h1"].split()
    assert {"off", "+ttl", "+mget", "~other:*"} <= set(words)


def test_a_user_who_may_use_every_key_gets_commands(users: Users) -> None:
    users.start(f"user api-h1 on >{OWN} ~* -@all +hello +ping")
    users.add_rights()
    assert users.mget() == [None, None]


def test_a_user_that_redis_does_not_know_is_not_made(users: Users) -> None:
    users.start(PRESENT)
    users.add_rights()
    assert users.lines().keys() == {"default", "keeper", "api-h1"}


def test_a_redis_that_does_not_answer_is_named(users: Users) -> None:
    with pytest.raises(errors.SettingsError, match=f"Redis at 127.0.0.1:{users.server.port}: "):
        require_everywhere(users.keeper, lambda address: users.keeper.add_rights(address, REGISTRY))
