"""Test 2: Redis as our Python services use it."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rq import Queue

from bringup import keys
from bringup.connections.redis_client import redis_errors
from bringup.errors import BringupError, PermanentError, RedisUnavailable
from bringup.queues import open_queue
from pki.check import Finding, info, ok, skip, warn
from selftest.case import NO_MUTUAL_TLS, REDIS, Case, redis_plain, redis_tls
from selftest.diagnosis import redis_refuses
from selftest.target_installation import TargetInstallation

if TYPE_CHECKING:
    from redis import Redis

_GROUP = "2 Worker connection"
_KEY_LIFE_S = 60


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
    except PermanentError as error:
        if "no permissions" in str(error).lower():
            user = target.settings.redis_username
            return skip(f"the Redis user {user!r} may not do what a worker does", hint="set REDIS_USERNAME=worker")
        return redis_refuses(target, error)
    except BringupError as error:
        return redis_refuses(target, error)
    return ok("wrote, read, enqueued and consumed" + (" by mutual TLS" if target.redis.use_tls else ""))


def _read_and_write(redis: "Redis") -> None:
    key, value = f"{keys.SELFTEST}{secrets.token_hex(8)}", secrets.token_hex(8)
    redis.set(key, value, ex=_KEY_LIFE_S)
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
            raise RedisUnavailable("the queue did not return the job that was enqueued")
    finally:
        redis.delete(job.key)


CHECKS = (
    Case("2a", "Worker connection, plain", _plain, group=_GROUP, required_by=redis_plain, servers=(REDIS,)),
    Case("2b", "Worker connection, mutual TLS", _mutual_tls, group=_GROUP, required_by=redis_tls, servers=(REDIS,)),
)
