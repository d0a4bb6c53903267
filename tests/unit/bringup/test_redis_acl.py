"""Which rights a user of Redis has, by its name."""

from fnmatch import fnmatchcase

import pytest

from bringup import keys, redis_acl

# What administers the server, or reads what others do.
ADMINISTRATION = (
    "config acl flushall flushdb keys shutdown debug replicaof slaveof module monitor save bgsave client|kill "
    "script|flush migrate dump restore swapdb failover cluster"
)
# What a verdict, a device's state and the right to speak for a machine are kept in.
OF_THE_API = (keys.run("r"), keys.report("r"), keys.device("d"), keys.run_token("r"), keys.token_owner("0"), keys.HOSTS)


def may_touch(role: str, key: str) -> bool:
    patterns = (pattern.removeprefix("%R") for pattern in redis_acl.ROLES[role].keys)
    return any(fnmatchcase(key, pattern.removeprefix("~")) for pattern in patterns)


@pytest.mark.parametrize(
    ("user", "role"),
    [
        ("worker", "worker"),
        ("worker-w1", "worker"),
        ("images-i1", "api"),  # `bringup images` reads and writes what the API does
        ("console-c1", "operator"),
        ("images", None),
        ("keeper", None),
        ("redis-r1", None),
        ("worker-", None),
        ("", None),
    ],
)
def test_a_user_of_redis_has_the_rights_of_its_service(user: str, role: str | None) -> None:
    assert redis_acl.rights_of(user) == role


def test_a_new_users_file_gives_the_users_of_hosts_the_present_rights_of_their_service() -> None:
    older = "user images-i1 on #" + "0" * 64 + " ~bringup:* -@all +get"
    (line,) = redis_acl.added_users(older, redis_acl.acl_file({}))
    assert line.split()[2:4] == ["on", "#" + "0" * 64]
    assert "+hset" in line.split()


@pytest.mark.parametrize("role", ["tailer", "worker"])
def test_what_the_api_remembers_is_out_of_reach_of_other_services(role: str) -> None:
    assert [key for key in OF_THE_API if may_touch(role, key)] == []
    assert all(may_touch("api", key) for key in OF_THE_API)


@pytest.mark.parametrize("role", redis_acl.ROLES)
def test_no_role_administers_redis(role: str) -> None:
    assert set(redis_acl.ROLES[role].commands.split()) & set(ADMINISTRATION.split()) == set()


def test_a_person_reads_and_writes_nothing() -> None:
    assert all(pattern.startswith("%R~") for pattern in redis_acl.ROLES["operator"].keys)
    assert not set(redis_acl.ROLES["operator"].commands.split()) & {"eval", "evalsha", "multi"}


def test_the_keeper_reaches_no_key() -> None:
    assert redis_acl.KEEPER.keys == ()
    assert "~" not in redis_acl.keeper_line("x")
