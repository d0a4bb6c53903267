"""The faults of a running Redis, besides those of its certificates: its data, its users, and other ways into it."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from cryptography.hazmat.primitives.hashes import SHA256

from bringup.model import utc_now
from pki.authority import pem
from pki.profile import authority, new_key
from tests.integration.selftest.faults import Inject, fault, redis_set
from tests.integration.selftest.site import Changes, Site

_OTHER_PASSWORD = "a-password-that-is-nobodys-yet"


def user(name: str, *rules: str) -> Inject:
    """A user of the running Redis has other rights or passwords; a user that was not there is gone again after it."""

    @contextmanager
    def inject(site: Site) -> Iterator[Changes]:
        before = _rules_of(site, name)
        _acl(site, "SETUSER", name, *rules)
        try:
            yield {}
        finally:
            if before:
                _acl(site, "SETUSER", name, "reset", *before)
            else:
                _acl(site, "DELUSER", name)

    return inject


def _rules_of(site: Site, name: str) -> list[str]:
    lines = [bytes(line).decode().split() for line in _acl(site, "LIST")]
    return next((words[2:] for words in lines if words[1] == name), [])


def _acl(site: Site, *words: str) -> list[bytes]:
    return site.keeper.execute_command("ACL", *words)  # type: ignore[no-untyped-call, no-any-return]


def with_the_password_of(role: str, *rules: str) -> Inject:
    """The default user takes what a role logs in with."""

    @contextmanager
    def inject(site: Site) -> Iterator[Changes]:
        password = site.stack.settings_of("worker").redis_password
        assert password
        with user(role, *rules, f">{password.get_secret_value()}")(site) as changes:
            yield changes

    return inject


def in_file(name: str, before: str, after: str) -> Inject:
    """A file of redis/ has other words; the running Redis has not read it yet."""

    @contextmanager
    def inject(site: Site) -> Iterator[Changes]:
        path = site.folder / "redis" / name
        text = path.read_text()
        assert before in text
        path.write_text(text.replace(before, after))
        try:
            yield {}
        finally:
            path.write_text(text)

    return inject


@contextmanager
def a_second_ca(site: Site) -> Iterator[Changes]:
    """Redis trusts another CA besides ours: by a file of its own, so that nobody else trusts it."""
    key = new_key()
    other = authority(key.public_key(), 30, utc_now()).sign(key, SHA256())
    both = site.folder / "both-cas.pem"
    both.write_bytes(site.store.ca_certificate.read_bytes() + pem(other))
    with in_file("redis.conf", str(site.store.ca_certificate), str(both))(site) as changes:
        yield changes


@contextmanager
def a_folder_of_cas(site: Site) -> Iterator[Changes]:
    line = 'tls-ca-cert-dir "/etc/ssl/certs"\ntls-auth-clients yes'
    with in_file("redis.conf", "tls-auth-clients yes", line)(site) as changes:
        yield changes


@contextmanager
def an_open_socket(site: Site) -> Iterator[Changes]:
    """Redis is started with a Unix socket that every user of the host may open."""
    path = site.folder / "redis.sock"
    lines = f'unixsocket "{path}"\nunixsocketperm 777\nappendonly yes'
    with ExitStack() as after:
        after.callback(site.restart_redis)
        after.enter_context(in_file("redis.conf", "appendonly yes", lines)(site))
        site.restart_redis()
        assert path.is_socket()
        yield {}
        # The file is restored first, then Redis is restarted.


@contextmanager
def a_password_older_than_a_revocation(site: Site) -> Iterator[Changes]:
    """A worker without a user of its own was revoked, and all workers log in as before."""
    path = site.folder / "redis/worker.env"
    times = path.stat()
    os.utime(path, (0, 0))
    try:
        yield {}
    finally:
        os.utime(path, (times.st_atime, times.st_mtime))


@contextmanager
def two_with_one_password(site: Site) -> Iterator[Changes]:
    """It is none that this host knows."""
    with user("api", f">{_OTHER_PASSWORD}")(site), user("tailer", f">{_OTHER_PASSWORD}")(site) as changes:
        yield changes


def logs_in_as(role: str, host_role: str) -> Inject:
    """A service has the Redis user of another one."""

    @contextmanager
    def inject(site: Site) -> Iterator[Changes]:
        other = site.stack.settings_of(role)
        yield {"redis_username": role, "redis_password": other.redis_password, "host_roles": host_role}

    return inject


_ANYWHERE = (
    fault("Redis writes no append-only file", redis_set(appendonly="no"), {"1e"}, "1e", "appendonly yes", "kill"),
    *(
        fault(f"Redis evicts: {policy}", redis_set(maxmemory_policy=policy), {"1f"}, "1f", policy, "noeviction")
        for policy in ("allkeys-lru", "volatile-ttl")
    ),
)
WITH_TLS = (
    *_ANYWHERE,
    fault(
        "the default user has a password of its own",
        user("default", "on", f">{_OTHER_PASSWORD}"),
        {"1g"},
        "1g",
        "the default user, who may do everything, is on in the running Redis",
        "ACL SETUSER default off resetpass",
    ),
    fault(
        "the default user takes the password of a role",
        with_the_password_of("default", "on"),
        {"1g"},
        "1g",
        "our password opens the default user",
    ),
    fault(
        "the default user is on after the next start",
        in_file("users.acl", "user default off resetpass", f"user default on >{_OTHER_PASSWORD}"),
        {"1g"},
        "1g",
        "is on in users.acl",
    ),
    fault("the default user needs no password", user("default", "on", "nopass"), {"1a"}, "1a", "without a pass"),
    fault("a worker may not BLMOVE", user("worker", "-blmove"), {"1h"}, "1h", "worker may not run blmove", "users.acl"),
    fault("a worker may not EVAL", user("worker", "-eval", "-evalsha"), {"1h"}, "1h", "may not run eval, evalsha"),
    fault("a worker may FLUSHALL", user("worker", "+flushall"), {"1h"}, "1h", "worker may also run flushall"),
    fault("a worker may CONFIG GET", user("worker", "+config|get"), {"1h"}, "1h", "may also run config get"),
    fault(
        "a worker may change devices", user("worker", "~bringup:*"), {"1h"}, "1h", "may also read", "bringup:device:x"
    ),
    fault("a worker may read runs", user("worker", "%R~bringup:run:*"), {"1h"}, "1h", "may also read bringup:run:x"),
    fault("a worker may do everything", user("worker", "+@all", "~*"), {"1h"}, "1h", "may also run", "more"),
    fault(
        "a worker logs in as the API",
        logs_in_as("api", "worker"),
        {"1h", "2b"},
        "1h",
        "this host is worker, and logs in at Redis as a api",
    ),
    fault(
        "our password opens another role",
        with_the_password_of("api"),
        {"1i"},
        "1i",
        "our password opens api, too",
        "bringup redis-conf --force",
    ),
    fault("our password opens keeper", with_the_password_of("keeper"), {"1i"}, "1i", "our password opens keeper, too"),
    fault("two users have one password", two_with_one_password, {"1i"}, "1i", "api and tailer have one password"),
    fault("Redis trusts a second CA", a_second_ca, {"1j"}, "1j", "besides ours, Redis trusts 1 more", "bringup CA"),
    fault("Redis trusts a folder of CAs", a_folder_of_cas, {"1j"}, "1j", "/etc/ssl/certs", "tls-ca-cert-dir"),
    fault("everybody may open the Unix socket", an_open_socket, {"1k"}, "1k", "redis.sock has mode 0777", "chmod 700"),
    fault(
        "a revoked worker has its user",
        user("worker-gone", "on", f">{_OTHER_PASSWORD}", "+ping"),
        {"7.redis.revoked"},
        "7.redis.revoked",
        "worker/gone was revoked on",
        "opens Redis as worker-gone",
        "bringup site revoke gone",
    ),
    fault(
        "a revoked worker knows the password of all",
        a_password_older_than_a_revocation,
        {"7.redis.revoked"},
        "7.redis.revoked",
        "opens Redis as worker, whose password is older",
        "rm redis/worker.env",
    ),
)
WITHOUT_TLS = _ANYWHERE
