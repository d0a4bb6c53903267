"""Test 1, e to i: whether Redis keeps what it has acknowledged, and whether there is another way into it."""

import shlex
import stat
from pathlib import Path
from typing import Any

from bringup import errors
from bringup.connections.redis_client import redis_errors
from pki import store
from pki.check import Finding, fail, info, ok, skip, warn
from selftest import redis_host
from selftest.case import AT_REDIS, REDIS, Ask, Case, always
from selftest.redis_host import ACL_FILE, ELSEWHERE, NotSeen
from selftest.target_installation import TargetInstallation

_GROUP = "1 Redis"
_OTHERS = 0o022  # to connect takes the right to write: of the group, of everybody
_CONF = "`bringup redis-conf --force`, then restart Redis with what it writes"


def _append_only(target: TargetInstallation) -> Finding:
    """Every change is in the append-only file before it is acknowledged."""
    persistence = _info(target, "persistence")
    if not persistence.get("aof_enabled"):
        return fail(
            "Redis writes no append-only file",
            expected="appendonly yes",
            cause="after a kill or a power failure every lease, run and job since the last snapshot is gone",
            # In this order: what a Redis without the file holds is gone when it is restarted.
            hint="before any restart, as keeper: CONFIG SET appendonly yes; when INFO persistence has "
            f"aof_rewrite_in_progress:0, on the host of Redis: {_CONF}",
        )
    if persistence.get("aof_last_write_status") != "ok":
        return fail(
            "the last write to the append-only file has failed",
            expected="aof_last_write_status:ok",
            cause="the disk of Redis is full, or broken",
            hint="free space on the disk of Redis, and look at its log",
        )
    return ok("Redis writes an append-only file")


def _evicts_nothing(target: TargetInstallation) -> Finding:
    """A Redis that is full refuses writes; it does not delete jobs."""
    policy = _info(target, "memory").get("maxmemory_policy")
    if policy == "noeviction":
        return ok("a full Redis refuses writes, and deletes nothing")
    return fail(
        f"maxmemory-policy is {policy}",
        expected="noeviction",
        cause="a full Redis deletes keys to make room: jobs, runs and the states of devices",
        hint=f"on the host of Redis: {_CONF}; until then, as keeper: CONFIG SET maxmemory-policy noeviction",
    )


def _info(target: TargetInstallation, section: str) -> dict[str, Any]:
    with redis_errors(target.settings):
        return target.redis_client().info(section)


def _default_user(target: TargetInstallation) -> Finding:
    """Nobody can log in as the default user, who may do everything: not with our password, and not with another."""
    if redis_host.takes_our_password(target, "default"):
        return _open_default("our password opens the default user, who may do everything", target)
    try:
        running, after_start = redis_host.users_in_redis(target), redis_host.users_in_file(target)
    except NotSeen as error:
        return skip(f"our password does not open it; whether another one does is not seen here: {error}", ELSEWHERE)
    for where, users in (("in the running Redis", running), (f"in {ACL_FILE}", after_start)):
        if any(user.name == "default" and user.is_on for user in users):
            return _open_default(f"the default user, who may do everything, is on {where}", target)
    return ok("the default user is off, now and after the next start")


def _open_default(observed: str, target: TargetInstallation) -> Finding:
    if not target.any_tls and target.settings.environment == "development":
        return warn(f"{observed}: in development only", hint=_CONF)
    return fail(
        observed,
        expected="user default off",
        cause="a client with its password may read and delete everything, whatever its role",
        hint=f"on the host of Redis: {_CONF}; until then, as keeper: ACL SETUSER default off resetpass, then ACL SAVE",
    )


def _trusts_our_ca_alone(target: TargetInstallation) -> Finding:
    """Redis lets in every client with a certificate of any CA that it trusts."""
    if not target.redis.use_tls:
        return info("not asked: REDIS_USE_TLS=false")
    found = redis_host.configuration(target)
    if folders := found.get("tls-ca-cert-dir"):
        return _second_ca(f"besides its file, Redis trusts every CA in the folder {folders[-1]} (tls-ca-cert-dir)")
    files = found.get("tls-ca-cert-file", [])
    trusted = [one for file in files[-1:] for one in store.read_certificates(Path(file))]
    ours = set(target.store.authorities())
    others = [one.subject.rfc4514_string() for one in trusted if one not in ours]
    if others:
        return _second_ca(f"besides ours, Redis trusts {len(others)} more, such as {others[0]} ({files[-1]})")
    return ok(f"Redis trusts our CA alone ({files[-1]})") if trusted else skip("redis.conf has no tls-ca-cert-file")


def _second_ca(observed: str) -> Finding:
    return fail(
        observed,
        expected="our CA alone",
        cause="a client with a certificate of the other CA gets as far as the password",
        hint=f"on the host of Redis: {_CONF}",
    )


def _socket(target: TargetInstallation) -> Finding:
    """By a Unix socket one gets in without a certificate: no other user of the host may open it."""
    found = redis_host.configuration(target)
    paths = [Path(path) for path in found.get("unixsocket", [])[-1:]]
    if not paths:
        return ok("Redis has no Unix socket")
    (path,) = paths
    mode = _mode(path, found)
    if not mode & _OTHERS:
        return info(f"{path} has mode {mode:04o}: no other user may open it")
    return fail(
        f"{path} has mode {mode:04o}: other users of this host get in by it, without a certificate",
        expected="no Unix socket; or mode 0700",
        cause="unixsocket and unixsocketperm in redis.conf",
        hint=f"{_CONF}; until then: chmod 700 {shlex.quote(str(path))}",
    )


def _mode(path: Path, configuration: redis_host.Configuration) -> int:
    """As it is; where Redis was not restarted yet, as it will be: Redis's own default lets its user in alone."""
    if path.exists():
        return stat.S_IMODE(path.stat().st_mode)
    return int(configuration.get("unixsocketperm", ["700"])[-1], 8)


def not_blocked(ask: Ask) -> Ask:
    """A check that asks Redis: where it does not answer, or not us, 1a reports why."""

    def check(target: TargetInstallation) -> Finding:
        if blocker := target.redis.blocker:
            return skip(f"not run: {blocker}", hint="see 1a")
        try:
            return ask(target)
        except NotSeen as error:
            return skip(f"not seen from here: {error}", hint=ELSEWHERE)
        except errors.BringupError as error:
            return skip(f"Redis was not asked: {error}", hint="see 1a")

    return check


def _by_any_role(number: str, title: str, ask: Ask) -> Case:
    return Case(number, title, not_blocked(ask), group=_GROUP, required_by=always, servers=(REDIS,), roles=AT_REDIS)


def _on_its_host(number: str, title: str, ask: Ask) -> Case:
    return Case(number, title, not_blocked(ask), group=_GROUP, needs=("1a",), roles=AT_REDIS | {"redis"})


# Tests 1e and 1f prove that Redis keeps what it has acknowledged: every role sees that. The others prove that nobody
# gets in besides the roles: not as the default user (1g), not with a certificate of another CA (1j), not by a Unix
# socket (1k). What is seen on the host of Redis alone is skipped elsewhere, and no setting requires it there.
CHECKS = (
    _by_any_role("1e", "Redis writes an append-only file", _append_only),
    _by_any_role("1f", "Redis evicts nothing", _evicts_nothing),
    _on_its_host("1g", "Nobody can log in as the default user", _default_user),
    _on_its_host("1j", "Redis trusts our CA alone", _trusts_our_ca_alone),
    _on_its_host("1k", "No other user of its host opens Redis by a Unix socket", _socket),
)
