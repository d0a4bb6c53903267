"""Which rights a user of Redis has, by its name."""

import pytest

from bringup import redis_acl


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
