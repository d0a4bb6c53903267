"""With Sentinel a host's user is known to every Redis, whichever is the master, and a revoked one to none."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from click.testing import CliRunner

from bringup import tls
from bringup.connections.redis_client import connect_redis, redis_errors
from bringup.errors import RedisRefused
from bringup.settings import Settings
from bringup_cli.root import cli
from bringup_cli.site.redis_users import Keeper, everywhere
from bringup_cli.site.registry import Registry
from pki.store import Store
from tests.sentinel_set import SentinelSet


class SiteWithSentinel:
    """The CA's host of a site whose Redis has replicas; it has no API."""

    def __init__(self, redis: SentinelSet) -> None:
        self.redis = redis
        self.env_file = redis.folder / "site.env"
        lines = redis.variables | {"API_USE_TLS": "true", "CALLBACK_API_URL": "https://127.0.0.1:9"}
        self.env_file.write_text("".join(f"{name}={value}\n" for name, value in lines.items()))
        self.env_file.chmod(0o600)
        self.keeper = redis.folder / f"host-{redis.ports[0]}/keeper.password"

    def bringup(self, *arguments: str, exit_code: int = 0) -> str:
        found = CliRunner().invoke(cli, ["--env-file", str(self.env_file), "site", *arguments])
        assert found.exit_code == exit_code, f"{found.output} {found.exception!r}"
        return found.output

    def enroll(self, name: str) -> str:
        file = str(self.redis.folder / f"{name}.site.age")
        return self.bringup("enroll", name, "--role", "worker", "--file", file, "--keeper", str(self.keeper))

    def known_to(self, host: str) -> set[int]:
        """The ports of the servers whose users have that of the host: in memory, and in the file for a restart."""
        user = f"worker-{host}"
        found = set()
        for port in self.redis.ports:
            in_file = f"user {user} " in (self.redis.folder / f"host-{port}/users.acl").read_text()
            if self.redis.admin(port).acl_getuser(user):
                assert in_file
                found.add(port)
            else:
                assert not in_file
        return found

    def due(self, host: str) -> list[str]:
        found = CliRunner().invoke(cli, ["--env-file", str(self.env_file), "site", "status", "--output", "json"])
        rows = json.loads(found.stdout)
        return next(row["due"] for row in rows if row["host"] == host)

    def settings_of(self, host: str) -> Settings:
        """Those with which a host's worker logs in to Redis."""
        registry = Registry.read(Store(self.redis.folder / "pki"))
        password = next(iter(registry.hosts[host].passwords.values()))
        return self.redis.settings("worker", redis_username=f"worker-{host}", redis_password=password)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SiteWithSentinel]:
    with pytest.MonkeyPatch.context() as patch, SentinelSet(tmp_path_factory.mktemp("site"), use_tls=True) as redis:
        patch.setenv("SITE_PASSPHRASE", "a passphrase of the tests")
        yield SiteWithSentinel(redis)


def works(settings: Settings) -> bool:
    try:
        with redis_errors(settings):
            return bool(connect_redis(settings, tls.ClientContexts(), name="worker").set("rq:test", "x"))
    except RedisRefused:
        return False


@pytest.mark.slow
def test_servers_that_are_silent_are_asked_at_once(site: SiteWithSentinel) -> None:
    with ExitStack() as sockets:
        silent = [sockets.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(4)]
        keeper = Keeper(site.redis.settings(), "x" * 32)
        keeper.__dict__["addresses"] = tuple(one.getsockname()[:2] for one in silent)
        began = time.monotonic()
        failed = everywhere(keeper, lambda address: keeper.remove_users(address, ["worker-w1"]))
    assert len(failed) == len(silent)
    assert time.monotonic() - began < 10  # the time that a revocation may take


@pytest.mark.slow
def test_users_are_written_to_every_server_and_survive_a_failover(site: SiteWithSentinel) -> None:
    everyone = set(site.redis.ports)
    assert "Redis knows worker-w1." in site.enroll("w1")
    site.enroll("w2")
    assert site.known_to("w1") == everyone
    settings = site.settings_of("w1")
    assert works(settings)

    old, _ = site.redis.fail_over()
    assert works(settings)  # the next master knows it, too
    output = site.enroll("w3")
    assert f"127.0.0.1:{old}" in output  # and what to do there
    assert works(site.settings_of("w3"))
    revoked = site.bringup("revoke", "w1", exit_code=1)
    assert f"Redis at 127.0.0.1:{old} was not reached" in revoked
    assert not works(settings)

    site.redis.start(old)
    site.redis.await_replicas(len(everyone) - 1)
    assert site.due("w1") == ["Redis still knows it: bringup site revoke w1"]
    assert any("Redis does not know worker-w3" in one for one in site.due("w3"))
    site.bringup("sign", exit_code=1)  # the timer; there is no API
    assert site.known_to("w1") == set()
    assert site.known_to("w2") == site.known_to("w3") == everyone
