"""What `bringup redis-conf` writes: a real redis-server takes it, each role can do its work, and nothing else."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr
from redis.exceptions import AuthenticationError, NoPermissionError
from redis.exceptions import ConnectionError as RedisConnectionError

from bringup import tls
from bringup.connections.redis_client import connect_redis
from bringup.redis_acl import ROLES
from tests.in_process import QuickStack
from tests.integration.selftest.site import Site

if TYPE_CHECKING:
    from redis import Redis

DANGEROUS = (
    "CONFIG GET maxmemory",
    "CONFIG SET maxmemory 1",
    "CONFIG REWRITE",
    "FLUSHALL",
    "FLUSHDB",
    "KEYS *",
    "SHUTDOWN NOSAVE",
    "DEBUG SLEEP 0",
    "ACL LIST",
    "ACL SETUSER worker nopass",
    "REPLICAOF 127.0.0.1 1",
    "MODULE LIST",
    "MONITOR",
    "SAVE",
    "BGREWRITEAOF",
    "CLIENT KILL TYPE normal",
    "CLIENT LIST",
    "CLIENT PAUSE 1",
    "SLOWLOG GET",
    "SCRIPT FLUSH",
    "FUNCTION LIST",
    "MIGRATE 127.0.0.1 1 k 0 1",
    "SWAPDB 0 1",
    "RESTORE k 0 x",
    "DUMP rq:queues",
    "SORT rq:queues",
)
FORBIDDEN = {
    "operator": (
        "EVAL 'return 1' 0",
        "SET rq:x 1",
        "DEL rq:queues",
        "HSET bringup:device:a state active",
        "LPUSH rq:q x",
    ),
    "tailer": ("SET bringup:x 1", "GET bringup:device:a", "RPUSH rq:queue:boots x", "LPOP rq:queue:leases", "SCAN 0"),
    "worker": ("SET bringup:device:a x", "HSET bringup:run:a state passed", "GET other"),
    "api": ("SET other 1", "GET other"),
}


def _client(site: Site, role: str, password: str | None = None) -> "Redis":
    changes: dict[str, object] = {"redis_username": role}
    if password:
        changes["redis_password"] = SecretStr(password)
    return connect_redis(site.stack.settings_of(role).model_copy(update=changes), tls.ClientContexts(), name="roles")


@pytest.mark.parametrize("role", ROLES)
def test_a_role_may_neither_administer_the_server_nor_do_what_is_anothers(tls_site: Site, role: str) -> None:
    commands = (*DANGEROUS, *FORBIDDEN[role])
    assert [command for command in commands if _may(tls_site, role, command)] == []


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("command", ["CONFIG GET maxmemory", "KEYS *", "FLUSHALL", "SHUTDOWN NOSAVE"])
def test_a_role_is_really_refused(tls_site: Site, role: str, command: str) -> None:
    with pytest.raises(NoPermissionError):
        _client(tls_site, role).execute_command(*command.split())  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("role", ROLES)
def test_a_role_gets_in_with_its_password_and_not_with_another(tls_site: Site, role: str) -> None:
    assert _client(tls_site, role).ping()
    with pytest.raises(AuthenticationError):
        _client(tls_site, role, "another-password").ping()


def test_nobody_is_the_default_user(tls_site: Site) -> None:
    redis = connect_redis(tls_site.settings.model_copy(update={"redis_username": None}), tls.ClientContexts(), name="x")
    with pytest.raises(AuthenticationError):
        redis.ping()


def _may(site: Site, role: str, command: str) -> bool:
    answer = site.keeper.execute_command("ACL", "DRYRUN", role, *shlex.split(command))  # type: ignore[no-untyped-call]
    return bool(answer == b"OK")


def test_a_deleted_user_is_cut_off_at_once_and_does_not_come_back(tls_site: Site) -> None:
    """docs/REDIS_SECURITY.md, revocation: ACL DELUSER cuts connections by itself."""
    guest = _guest(tls_site)
    assert tls_site.keeper.acl_deluser("guest") == 1
    with pytest.raises((AuthenticationError, RedisConnectionError)):
        guest.ping()


def test_a_user_that_is_switched_off_stays_connected_until_it_is_cut_off(tls_site: Site) -> None:
    """docs/REDIS_SECURITY.md, revocation: switching off needs CLIENT KILL USER besides."""
    guest = _guest(tls_site)
    tls_site.keeper.acl_setuser("guest", enabled=False)
    assert guest.ping()
    tls_site.keeper.client_kill_filter(user="guest")
    with pytest.raises((AuthenticationError, RedisConnectionError)):
        guest.ping()


def _guest(site: Site) -> "Redis":
    site.keeper.acl_setuser("guest", enabled=True, passwords=["+guest"], categories=["+@connection"])
    guest = _client(site, "guest", "guest")
    assert guest.ping()
    return guest


@pytest.mark.parametrize("use_tls", [False, True])
def test_a_password_with_blanks_quotes_and_dollars_is_taken_by_a_real_server(tmp_path: Path, use_tls: bool) -> None:  # noqa: FBT001
    password = 'a "strange" pass\\word $HOME #1'
    variables = {"REDIS_USE_TLS": str(use_tls).lower(), "API_WORKERS": "1"}
    with QuickStack(tmp_path, variables) as stack:
        own = tmp_path / "redis/worker.env"
        own.parent.mkdir()
        own.write_text(f"REDIS_USERNAME=worker\nREDIS_PASSWORD='{password}'\n")
        stack.start_redis()
        assert connect_redis(stack.settings_of("worker"), tls.ClientContexts(), name="x").ping()


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("use_tls", [False, True])
def test_with_what_one_role_has_nobody_is_another(
    tls_site: Site, plain_site: Site, role: str, *, use_tls: bool
) -> None:
    """A stolen tailer is not the API: it cannot approve a live machine."""
    site = tls_site if use_tls else plain_site
    password = site.stack.settings_of(role).redis_password
    assert password
    for other in {*ROLES, "keeper"} - {role}:
        with pytest.raises(AuthenticationError):
            _client(site, other, password.get_secret_value()).ping()


KEEPERS = (
    "CONFIG SET tls-cert-file x",
    "ACL SETUSER worker-w1 on",
    "ACL DELUSER worker-w1",
    "ACL SAVE",
    "ACL LIST",
    "CLIENT LIST",
    "CLIENT KILL USER x",
)


def test_keeper_may_do_its_work_and_nothing_else(tls_site: Site) -> None:
    others = [command for command in DANGEROUS if not command.startswith(("CONFIG SET", "ACL", "CLIENT"))]
    data = [command for role in FORBIDDEN.values() for command in role]
    assert [command for command in KEEPERS if not _may(tls_site, "keeper", command)] == []
    assert [
        command for command in (*others, *data, "CONFIG GET *", "CLIENT PAUSE 1") if _may(tls_site, "keeper", command)
    ] == []


def test_keeper_gets_in_with_the_password_in_its_file(tls_site: Site) -> None:
    password = (tls_site.folder / "redis/keeper.password").read_text().strip()
    assert _client(tls_site, "keeper", password).ping()
