"""Test 1, Redis itself, and test 2, Redis as our Python services use it."""

import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rq import Queue

from bringup import keys
from bringup.connections.redis_client import connect_redis, redis_errors
from bringup.errors import BringupError, PermanentError, RedisUnavailable
from bringup.queues import open_queue
from selftest.check import Check, Finding, fail, info, ok, skip, warn
from selftest.redis_diagnosis import by_hand, not_heard, why_not
from selftest.target_installation import Subject

if TYPE_CHECKING:
    from redis import Redis

_GROUP_1 = "1 Redis"
_GROUP_2 = "2 Worker connection"
_INSTALL = "apt-get install redis-tools"
_DEVELOPMENT = "no mutual TLS (REDIS_USE_TLS=false): expected in development only"


def _password(subject: Subject) -> Finding:
    """It lets nobody in without a password, and us with ours."""
    if found := not_heard(subject):
        return found
    without = by_hand(subject)
    if without.said.startswith("+PONG"):
        return fail(
            "Redis answers without a password",
            expected="NOAUTH",
            mend="bringup redis-conf, and start Redis with what it writes",
        )
    try:
        with redis_errors(subject.settings):
            connected(subject).ping()
    except BringupError as error:
        return why_not(subject, error)
    if not without.said.startswith(("-NOAUTH", "-ERR unauthenticated")):
        return fail(f"without a password Redis answered: {without.first_line}", expected="NOAUTH")
    return ok("refuses without a password, accepts with ours")


def _by_redis_cli(subject: Subject) -> Finding:
    """The tool that operators use gets in by mutual TLS, too."""
    if not subject.settings.redis_use_tls:
        return warn(_DEVELOPMENT)
    binary = shutil.which("redis-cli")
    if binary is None:
        return skip("redis-cli is not installed", mend=_INSTALL)
    password = subject.settings.redis_password
    environ = {
        "PATH": os.environ.get("PATH", ""),
        "REDISCLI_AUTH": password.get_secret_value() if password else "",  # never on the command line
    }
    try:
        done = subprocess.run(  # noqa: S603 - a fixed program, no shell
            [binary, *_arguments(subject), "PING"],
            env=environ,
            capture_output=True,
            text=True,
            timeout=subject.wait_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return fail("redis-cli got no answer in time", expected="PONG", mend="see 2b")
    if done.stdout.strip() == "PONG":
        return ok("redis-cli gets PONG by mutual TLS (it checks no host name; 2b does)")
    said = (done.stderr or done.stdout).strip()[:160]
    return fail(f"redis-cli says: {said}", expected="PONG", cause="it says I/O error for every refusal", mend="see 2b")


def _arguments(subject: Subject) -> list[str]:
    identity, settings = subject.redis_identity, subject.settings
    user = ["--user", settings.redis_username] if settings.redis_username else []
    where = ["-h", subject.redis.host, "-p", str(subject.redis.port), "--no-auth-warning", *user]
    files = ["--cert", str(identity.cert), "--key", str(identity.key), "--cacert", str(identity.ca)]
    return [*where, "--tls", *files]


def _plain_worker(subject: Subject) -> Finding:
    if subject.settings.redis_use_tls:
        return info("not used: REDIS_USE_TLS=true (7 shows that plain text is refused)")
    return _worker(subject)


def _mtls_worker(subject: Subject) -> Finding:
    if not subject.settings.redis_use_tls:
        return warn(_DEVELOPMENT)
    return _worker(subject)


def _worker(subject: Subject) -> Finding:
    """Read, write, enqueue and consume with the one factory that all services use; leaves nothing behind."""
    try:
        with redis_errors(subject.settings):
            redis = connected(subject)
            _read_and_write(redis)
            with _own_queue(redis) as queue:
                _enqueue_and_consume(redis, queue)
    except PermanentError as error:
        if "no permissions" in str(error).lower():
            user = subject.settings.redis_username
            return skip(f"the Redis user {user!r} may not do what a worker does", mend="set REDIS_USERNAME=worker")
        return why_not(subject, error)
    except BringupError as error:
        return why_not(subject, error)
    return ok("wrote, read, enqueued and consumed" + (" by mutual TLS" if subject.settings.redis_use_tls else ""))


def _read_and_write(redis: "Redis") -> None:
    key, value = f"{keys.SELFTEST}{secrets.token_hex(8)}", secrets.token_hex(8)
    redis.set(key, value, ex=60)
    found = redis.get(key)
    redis.delete(key)
    if found != value.encode():
        raise RedisUnavailable("Redis did not give back what was written")


@contextmanager
def _own_queue(redis: "Redis") -> Iterator[Queue]:
    queue = open_queue(f"selftest-{secrets.token_hex(8)}", redis)
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
            raise RedisUnavailable("what was enqueued did not come out of the queue")
    finally:
        redis.delete(job.key)


def connected(subject: Subject) -> "Redis":
    """A client as all services use it, in a hurry."""
    return connect_redis(subject.hurried, subject.contexts, name="selftest")


def redis_tls(subject: Subject) -> bool:
    """Whether mutual TLS to Redis is promised."""
    return subject.settings.redis_use_tls


def redis_plain(subject: Subject) -> bool:
    """Whether plain Redis is what is used."""
    return not redis_tls(subject)


def always(_subject: Subject) -> bool:
    """Promised whatever the flags say."""
    return True


_NEEDS = (lambda subject: subject.redis_hindrance,)

SERVER = (
    Check("1a", _GROUP_1, "Redis asks for a password", _password, always),
    Check("1b", _GROUP_1, "Redis by mutual TLS with redis-cli", _by_redis_cli, redis_tls, needs=_NEEDS),
)
CLIENT = (
    Check("2a", _GROUP_2, "Worker connection, plain", _plain_worker, redis_plain, needs=_NEEDS),
    Check("2b", _GROUP_2, "Worker connection, mutual TLS", _mtls_worker, redis_tls, needs=_NEEDS),
)
