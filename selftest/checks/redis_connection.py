"""Tests 1 and 2: Redis itself, and Redis as our Python services use it."""

import os
import secrets
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rq import Queue

from bringup import errors, keys, queues, redis_acl
from bringup.connections.redis_client import redis_errors
from pki.check import Finding, fail, info, ok, skip, warn
from selftest.case import AT_REDIS, NO_MUTUAL_TLS, REDIS, WORKS, Ask, Case, always, redis_plain, redis_tls
from selftest.diagnosis import ping_without_password, redis_refuses, redis_unreachable
from selftest.target_installation import TargetInstallation

if TYPE_CHECKING:
    from redis import Redis

_GROUP_1, _GROUP_2 = "1 Redis", "2 Worker connection"
# The key of 2a and 2b is deleted by the check itself. If the self-test is killed before, Redis deletes it after this
# time, which is longer than a self-test runs.
_KEY_LIFE_S = 60
# As much of what redis-cli prints as fits into a report's line: its errors are one line, its help is many.
_OUTPUT_CHARS = 160
ACL_FILE = Path("redis/users.acl")  # where `bringup redis-conf` writes it
# One command of each kind that our transactions contain, on keys as ours: at a start Redis replays its append-only file
# as the default user, EXEC checks the rights of that user for each, and a transaction that is refused is lost.
# Source: https://redis.io/docs/latest/operate/oss_and_stack/management/persistence/
_REPLAYED = (
    ("exec",),
    ("hset", keys.run("x"), "state", "x"),
    ("set", keys.CHANGE_NUMBER, "1"),
    ("xadd", keys.events("x"), "*", "entry", "x"),
    ("rpush", keys.rq_queue("boots"), "x"),
    ("zadd", keys.rq_scheduled("boots"), "1", "x"),
)
# In the replacement of sed an ampersand means what was found.
_DEFAULT_USER_IN_SED = redis_acl.DEFAULT_USER.replace("&", r"\&")


def _password(target: TargetInstallation) -> Finding:
    """Redis lets nobody in without a password, and us with ours."""
    if found := redis_unreachable(target):
        return found
    without = ping_without_password(target)
    if without.text.startswith("+PONG"):
        return fail(
            "Redis answers without a password",
            expected="NOAUTH",
            hint="bringup redis-conf, and start Redis with what it writes",
        )
    try:
        with redis_errors(target.settings):
            target.redis_client().ping()
    except errors.BringupError as error:
        return redis_refuses(target, error)
    if not without.text.startswith(("-NOAUTH", "-ERR unauthenticated")):
        return fail(
            f"without a password Redis answered: {without.first_line}",
            expected="NOAUTH",
            hint="look at the log of Redis, which `logfile` in redis/redis.conf names",
        )
    return ok("refuses without a password, accepts with ours")


def _by_redis_cli(target: TargetInstallation) -> Finding:
    """The tool that operators use gets in by mutual TLS, too."""
    if not target.redis.use_tls:
        return warn(NO_MUTUAL_TLS)
    binary = shutil.which("redis-cli")
    if binary is None:
        return skip("redis-cli is not installed", hint="apt-get install redis-tools")
    password = target.settings.redis_password
    environ = {
        "PATH": os.environ.get("PATH", ""),
        "REDISCLI_AUTH": password.get_secret_value() if password else "",  # never on the command line
    }
    try:
        done = subprocess.run(  # noqa: S603 - a fixed program, no shell
            [binary, *_arguments(target), "PING"],
            env=environ,
            capture_output=True,
            text=True,
            timeout=target.wait_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return fail("redis-cli got no answer in time", expected="PONG", hint="see 2b")
    if done.stdout.strip() == "PONG":
        return ok("redis-cli gets PONG by mutual TLS (it checks no host name; 2b does)")
    output = (done.stderr or done.stdout).strip()[:_OUTPUT_CHARS]
    cause = "redis-cli prints I/O error for every refusal"
    return fail(f"redis-cli prints: {output}", expected="PONG", cause=cause, hint="see 2b")


def _arguments(target: TargetInstallation) -> list[str]:
    identity, (host, port), user = target.redis.identity, target.redis.address, target.settings.redis_username
    return [
        *("-h", host, "-p", str(port), "--no-auth-warning"),
        *(("--user", user) if user else ()),
        *("--tls", "--cert", str(identity.cert), "--key", str(identity.key), "--cacert", str(identity.ca)),
    ]


def _replays(target: TargetInstallation) -> Finding:
    """The default user may run what the append-only file holds, although nobody may log in as it (1a)."""
    try:
        with redis_errors(target.settings):
            redis = target.redis_client()
            refused = [command[0] for command in _REPLAYED if _is_refused(redis.acl_dryrun("default", *command))]
    except errors.RedisRefused as error:
        return _replays_by_file() if "dryrun" in str(error) else skip(str(error), hint="see 1a")
    except errors.BringupError as error:
        return skip(f"Redis was not asked: {error}", hint="see 1a")
    if refused:
        return _does_not_replay(f"the default user may not run {', '.join(refused)}")
    return ok("at its next start Redis replays everything: the default user may, and nobody can log in as it")


def _is_refused(answer: bytes | str) -> bool:
    return answer not in {b"OK", "OK"}


def _replays_by_file() -> Finding:
    """The answer where our user may not ask: its rights come from an older ACL file, or from one of the site's own."""
    try:
        lines = ACL_FILE.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return _does_not_replay(
            f"our Redis user may not ask what the default user may do, and {ACL_FILE} is not on this host"
        )
    default = [line for line in lines if line.startswith("user default ")]
    if default == [redis_acl.DEFAULT_USER]:
        hint = "bringup redis-conf --force gives our users the right to ask; restart Redis then"
        return warn(f"{ACL_FILE} is right; the running Redis cannot be asked", hint=hint)
    return _does_not_replay(f"{ACL_FILE} has: {'; '.join(default) or 'no default user'}")


def _does_not_replay(observed: str) -> Finding:
    return fail(
        observed,
        expected="the default user may run every transaction of the append-only file, which is replayed as this user",
        cause="an ACL file of an older `bringup redis-conf`: the next start of Redis leaves out all transactions",
        hint=f"before Redis restarts: sed -i 's/^user default .*/{_DEFAULT_USER_IN_SED}/' {ACL_FILE}"
        f"; then, as a user that may: ACL SETUSER {redis_acl.DEFAULT_USER.removeprefix('user ')}",
    )


def _plain(target: TargetInstallation) -> Finding:
    if target.redis.use_tls:
        return info("not used: REDIS_USE_TLS=true (7 shows that plain text is refused)")
    return _work(target)


def _mutual_tls(target: TargetInstallation) -> Finding:
    return _work(target) if target.redis.use_tls else warn(NO_MUTUAL_TLS)


def _work(target: TargetInstallation) -> Finding:
    """Write, read, enqueue and consume with the one factory that all services use; nothing remains in Redis."""
    try:
        with redis_errors(target.settings):
            redis = target.redis_client()
            _read_and_write(redis)
            with _own_queue(redis) as queue:
                _enqueue_and_consume(redis, queue)
    except errors.PermanentError as error:
        if "no permissions" in str(error).lower():
            user = target.settings.redis_username
            return skip(
                f"the Redis user {user!r} may not do what a worker does",
                hint="set REDIS_USERNAME=worker and its password, as redis/worker.env does",
            )
        return redis_refuses(target, error)
    except errors.BringupError as error:
        return redis_refuses(target, error)
    return ok("wrote, read, enqueued and consumed" + (" by mutual TLS" if target.redis.use_tls else ""))


def _read_and_write(redis: "Redis") -> None:
    key, value = f"{keys.SELFTEST}{secrets.token_hex(8)}", secrets.token_hex(8)
    redis.set(key, value, ex=_KEY_LIFE_S)
    found = redis.get(key)
    redis.delete(key)
    if found != value.encode():
        raise errors.RedisUnavailable("Redis did not give back what was written")


@contextmanager
def _own_queue(redis: "Redis") -> Iterator[Queue]:
    queue = queues.open_queue(f"selftest-{secrets.token_hex(8)}", redis)
    try:
        yield queue
    finally:
        redis.delete(queue.key, queue.intermediate_queue.key)
        redis.srem(Queue.redis_queues_keys, queue.key)


def _enqueue_and_consume(redis: "Redis", queue: Queue) -> None:
    job = queue.enqueue("workers.jobs.selftest", job_id=queue.name)
    try:
        taken = redis.lmove(queue.key, queue.intermediate_queue.key)
        if taken != queue.name.encode():
            raise errors.RedisUnavailable("the queue did not return the job that was enqueued")
    finally:
        redis.delete(job.key)


def _worker_check(number: str, how: str, ask: Ask, required_by: Callable[[TargetInstallation], str]) -> Case:
    title = f"Worker connection, {how}"
    return Case(
        number, title, ask, group=_GROUP_2, required_by=required_by, servers=(REDIS,), needs=("1a",), roles=WORKS
    )


# Test 1 proves that Redis lets in only clients with our password (1a), and with REDIS_USE_TLS=true also operators with
# redis-cli by mutual TLS (1b); and that its next start replays every transaction (1c). 1c is required always: an
# operator who restarts Redis because 1c did not fail must not lose data by it.
CHECKS = (
    Case("1a", "Redis asks for a password", _password, group=_GROUP_1, required_by=always, roles=AT_REDIS),
    Case(
        "1b",
        "Redis by mutual TLS with redis-cli",
        _by_redis_cli,
        group=_GROUP_1,
        required_by=redis_tls,
        servers=(REDIS,),
        needs=("1a",),
        roles=AT_REDIS,
    ),
    Case(
        "1c",
        "Redis replays its transactions at the next start",
        _replays,
        group=_GROUP_1,
        required_by=always,
        servers=(REDIS,),
        needs=("1a",),
        roles=AT_REDIS,
    ),
    # Test 2 proves that a worker can do its work in Redis: with the one factory that all services use, it writes and
    # reads, enqueues and takes. With TLS the name in Redis's certificate is proven, too.
    _worker_check("2a", "plain", _plain, redis_plain),
    _worker_check("2b", "mutual TLS", _mutual_tls, redis_tls),
)
